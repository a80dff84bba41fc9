#pragma once
// The random numbers of the regression: one std::mt19937_64 seeded with 2^32 + seed (so that it has nothing in common
// with the split's 32-bit generator). The first weights take one output each, class by class, the bias last; the draws
// have a generator of their own that starts at 2^33 + seed and take two outputs a minibatch element: its class, then
// its row.

#include <cstdint>
#include <random>
#include <vector>

#include "lowshot/logreg.h"

namespace lowshot::classifier {

inline std::mt19937_64 weight_stream(std::uint32_t seed) {
  return std::mt19937_64((std::uint64_t{1} << 32) + seed);
}

/// One minibatch element.
struct Draw {
  std::uint32_t row = 0, label = 0;
};

/// Copies are equal: every thread keeps its own and draws the same.
class BalancedDraws {
 public:
  /// `labelled` must outlive it, and have at least one row a class.
  BalancedDraws(const RowsOfClasses& labelled, std::uint32_t seed)
      : labelled_(&labelled), generator_((std::uint64_t{1} << 33) + seed) {}

  void next(std::vector<Draw>& batch) {
    for (Draw& draw : batch) {
      draw.label = static_cast<std::uint32_t>(below(labelled_->size()));
      const std::vector<std::uint32_t>& rows = (*labelled_)[draw.label];
      draw.row = rows[below(rows.size())];
    }
  }

 private:
  // Uniform in [0, n): the upper half of the product, whose bias is n / 2^64. n below 2^32.
  std::size_t below(std::size_t n) {
    const std::uint64_t value = generator_();
    return static_cast<std::size_t>(((value >> 32) * n + ((value & 0xffffffffu) * n >> 32)) >> 32);
  }

  const RowsOfClasses* labelled_;
  std::mt19937_64 generator_;
};

}  // namespace lowshot::classifier
