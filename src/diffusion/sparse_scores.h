#pragma once
// U_t while it is sparse: after one step a row holds one to three classes, whatever the number of classes.

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "lowshot/graph.h"
#include "lowshot/matrix.h"

namespace lowshot::diffusion {

struct ClassScore {
  std::uint32_t cls;
  float score;
};

/// Row i holds entries offsets[i] .. offsets[i+1]-1, classes rising, scores positive.
struct SparseScores {
  std::vector<std::uint64_t> offsets;
  std::vector<ClassScore> entries;

  std::span<const ClassScore> row(std::size_t i) const {
    return std::span(entries).subspan(offsets[i], offsets[i + 1] - offsets[i]);
  }
  /// Those of row i that belong to classes first .. first + count - 1.
  std::span<const ClassScore> row(std::size_t i, std::uint32_t first, std::uint32_t count) const {
    const auto below = [](const ClassScore& s, std::uint64_t cls) { return s.cls < cls; };
    const std::span<const ClassScore> all = row(i);
    const auto begin = std::lower_bound(all.begin(), all.end(), std::uint64_t{first}, below);
    return {begin, std::lower_bound(begin, all.end(), std::uint64_t{first} + count, below)};
  }
};

/// U_0: one entry of 1 for each labelled node.
SparseScores one_hot(std::span<const std::int32_t> labels);

/// Additions that a step from `u` over all rows takes: sum over edges of the neighbour's entries.
std::uint64_t step_work(const GraphView& graph, const SparseScores& u);

/// U <- D^-1 B U for the rows of `rows` (rising); the others become empty. Sums in edge order, as the dense step does.
SparseScores sparse_step(int threads, const GraphView& graph, const SparseScores& u, std::uint32_t classes,
                         std::span<const std::uint32_t> rows);

/// Writes classes first .. first + width - 1 of every row into `dense` (nodes x width, overwritten).
void expand(int threads, const SparseScores& u, std::uint32_t first, MatrixView<float> dense);

}  // namespace lowshot::diffusion
