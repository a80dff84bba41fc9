#pragma once
// Samples of rows that stand for a whole set.

#include <cstdint>
#include <vector>

namespace lowshot::knn {

/// min(count, n) different rows, rising: one at random from each of `count` equal stretches, so that neither the order
/// of the rows (classes one after another) nor a period in it can favour some. The same for the same numbers.
std::vector<std::uint32_t> sampled_rows(std::uint64_t n, std::uint64_t count);

}  // namespace lowshot::knn
