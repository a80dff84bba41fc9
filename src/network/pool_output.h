#pragma once
// From a network's output to a descriptor: the average or the maximum over places or tokens, or the class token.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lowshot/extract_config.h"

namespace lowshot {

/// What an image's output is pooled from.
struct PooledOutput {
  Pooling pooling = Pooling::none;
  std::size_t channels = 0;    ///< of the descriptor
  std::size_t places = 1;      ///< that are pooled: positions of a map, or tokens
  bool channels_last = false;  ///< T x C (tokens); else C x h x w

  std::size_t size() const { return channels * places; }  ///< values of an image's output
  /// `values`: size() of them; `out`: `channels`. Sums in double precision, in the order of the places.
  void pool(const float* values, float* out) const;
};

/// `shape` as the network gives it: N x C (whatever `pooling` says, it is the descriptor), N x T x C or N x C x h x w.
/// Throws Error (input) for another rank, an empty dimension, Pooling::none of more than N x C, a class token of a map;
/// `where` names model and output.
PooledOutput pooled_output(const std::vector<std::size_t>& shape, Pooling pooling, const std::string& where);

}  // namespace lowshot
