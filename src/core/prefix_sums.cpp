#include "core/prefix_sums.h"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace lowshot {

void add_up(int threads, std::span<std::uint64_t> values) {
  // Each thread's part by itself, then what stands before it. Short arrays are one part.
  const std::size_t parts = std::min(static_cast<std::size_t>(threads), values.size() / 65536 + 1);
  std::vector<std::uint64_t> before(parts + 1, 0);
  const auto bound = [&](std::size_t part) { return values.size() * part / parts; };
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (std::size_t p = 0; p < parts; ++p) {
    std::uint64_t sum = 0;
    for (std::size_t i = bound(p); i < bound(p + 1); ++i) values[i] = sum += values[i];
    before[p + 1] = sum;
  }
  if (parts == 1) return;
  for (std::size_t p = 0; p < parts; ++p) before[p + 1] += before[p];
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (std::size_t p = 1; p < parts; ++p)
    for (std::size_t i = bound(p); i < bound(p + 1); ++i) values[i] += before[p];
}

}  // namespace lowshot
