#pragma once
// Bytes of a crop as the values that a network takes: (byte / 255 - mean) / deviation, one table a channel.

#include <array>
#include <cstddef>
#include <cstdint>

#include "lowshot/network.h"

namespace lowshot {

class InputValues {
 public:
  explicit InputValues(const Normalisation& n) {
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t v = 0; v < 256; ++v)
        table_[c][v] = (static_cast<float>(v) / 255.0F - n.mean[c]) / n.deviation[c];
  }

  /// `crop`: `pixels` x 3 bytes; `out`: 3 x pixels values.
  void planes(const std::uint8_t* crop, std::size_t pixels, float* out) const {
    for (std::size_t c = 0; c < 3; ++c)
      for (std::size_t p = 0; p < pixels; ++p) out[c * pixels + p] = table_[c][crop[3 * p + c]];
  }

  /// `out`: pixels x 3 values.
  void interleaved(const std::uint8_t* crop, std::size_t pixels, float* out) const {
    for (std::size_t p = 0; p < pixels; ++p)
      for (std::size_t c = 0; c < 3; ++c) out[3 * p + c] = table_[c][crop[3 * p + c]];
  }

 private:
  std::array<std::array<float, 256>, 3> table_;
};

}  // namespace lowshot
