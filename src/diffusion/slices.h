#pragma once
// Classes in slices: how many go through the steps together.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "diffusion/step.h"

namespace lowshot::diffusion {

/// Consecutive classes, padded to whole cache lines.
struct Slice {
  std::uint32_t first, count, width;
};

/// Slices of at most `wanted` classes (0: the widest possible), about equally wide, the first one widest.
template <typename T>
std::vector<Slice> make_slices(std::uint32_t classes, std::uint32_t wanted) {
  const std::uint32_t most = std::min({wanted == 0 ? widest_slice : wanted, widest_slice, classes});
  const std::uint32_t pieces = (classes + most - 1) / most, even = (classes + pieces - 1) / pieces;
  std::vector<Slice> slices;
  for (std::uint32_t first = 0; first < classes; first += even) {
    const std::uint32_t count = std::min(even, classes - first);
    slices.push_back({first, count, (count + line_values<T> - 1) / line_values<T> * line_values<T>});
  }
  return slices;
}

}  // namespace lowshot::diffusion
