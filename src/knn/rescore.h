#pragma once
// The end of the approximate search: candidates by their 8-bit scores -> neighbours by their float32 similarity.

#include <cstdint>
#include <span>
#include <vector>

#include "knn/reservoirs.h"
#include "lowshot/descriptors.h"
#include "lowshot/knn.h"

namespace lowshot::knn {

/// Rows 0 .. first.rows()-1 and, behind them, those of `second`: both float32 or both float16.
struct StackedRows {
  DescriptorView first, second;

  std::size_t rows() const { return first.rows() + second.rows(); }
  /// use(view, i): where row `row` is.
  template <typename Use>
  void at(std::size_t row, const Use& use) const {
    row < first.rows() ? use(first, row) : use(second, row - first.rows());
  }
};

/// Candidates that a list keeps so that the k best in float32 are among the best by 8 bits.
std::uint32_t kept_candidates(std::uint32_t k);

/// Scores the candidates of one row (`query` of `queries`) against `x` and writes the k best of
/// them, sorted, as a table's row. `scratch` is overwritten.
void rescore(const StackedRows& queries, std::size_t query, const StackedRows& x, std::span<const Candidate> candidates,
             Metric metric, std::uint32_t k, std::vector<Candidate>& scratch, NodeId* ids, float* similarities);

}  // namespace lowshot::knn
