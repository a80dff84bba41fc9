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

/// Slices of at most `wanted` classes (0: the widest possible), about equally wide in every 64 classes, the first one
/// widest. None crosses a multiple of 64.
template <typename T>
std::vector<Slice> make_slices(std::uint32_t classes, std::uint32_t wanted) {
  const std::uint32_t block = std::min(widest_slice, classes), most = wanted == 0 ? block : std::min(wanted, block);
  const std::uint32_t pieces = (block + most - 1) / most, even = (block + pieces - 1) / pieces;
  std::vector<Slice> slices;
  for (std::uint32_t first = 0; first < classes;) {
    const std::uint32_t count = std::min({even, classes - first, widest_slice - first % widest_slice});
    slices.push_back({first, count, (count + line_values<T> - 1) / line_values<T> * line_values<T>});
    first += count;
  }
  return slices;
}

}  // namespace lowshot::diffusion
