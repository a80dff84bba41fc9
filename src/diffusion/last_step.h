#pragma once
// The last step and its read-out in one, from sparse rows: U_T is never stored, only rows that queries name are made.

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "diffusion/slices.h"
#include "diffusion/sparse_scores.h"
#include "lowshot/graph.h"
#include "lowshot/matrix.h"

namespace lowshot::diffusion {

/// Queries in groups of near ones, and the places that each group names: those rows are made once a group.
struct QueryGroups {
  std::vector<std::uint32_t> queries;     ///< all of them, by the lowest place that they name
  std::uint32_t group;                    ///< how many make a group
  std::vector<std::vector<NodeId>> rows;  ///< of each group: the places named, rising

  /// Groups whose rows of `classes` scores take up to 8 MB; one query at least.
  QueryGroups(int threads, MatrixView<const NodeId> queries, std::uint32_t classes);
  /// Edges of the rows of all groups.
  std::uint64_t edges(const GraphView& graph) const;
};

/// V_T = W2 U_T diag(scale) with U_T = D^-1 B U_{T-1}, from u = U_{T-1}: to the last bit what a stored U_T gives.
/// Hands `emit` every slice and its scores (queries x slice.count), in order.
template <typename T>
void last_step(int threads, const GraphView& graph, const SparseScores<T>& u, std::span<const Slice> slices,
               MatrixView<const NodeId> queries, const QueryGroups& groups, const float* scale,
               const std::function<void(const Slice&, MatrixView<const float>)>& emit);

/// Bytes that last_step holds, its groups included.
std::uint64_t last_step_memory(int threads, std::uint64_t queries, std::uint64_t k, std::uint32_t classes);

}  // namespace lowshot::diffusion
