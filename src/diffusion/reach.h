#pragma once
// Which rows matter at which step (exact pruning): a row is worked on at step t only if a label can have reached it
// (t hops from a labelled row) and if it can still reach a row that is read out (T - t hops).

#include <cstdint>
#include <span>

#include "lowshot/graph.h"
#include "lowshot/matrix.h"

namespace lowshot::diffusion {

using Hops = Array<std::uint16_t>;
inline constexpr std::uint16_t too_far = 0xffff;

/// Hops from the nearest source (of `hops` 0, the others too_far) for every place, up to `limit` (< 65535); too_far
/// beyond. In place, O(edges) in all.
void spread_hops(int threads, const GraphView& graph, Hops& hops, std::uint32_t limit);

/// Hops of every place from labels and from rows that are read out. `labels` and `queries` speak of places.
class Reach {
 public:
  Reach(int threads, const GraphView& graph, std::span<const std::int32_t> labels, MatrixView<const NodeId> queries,
        std::uint32_t last);

  /// Whether row i of U_t can hold anything, and whether anything that is read depends on it. Rows for which both hold
  /// are those that step t works on.
  bool reached(std::size_t i, std::uint32_t t) const { return from_labels_[i] <= t; }
  bool needed(std::size_t i, std::uint32_t t) const { return t <= last_ && from_readout_[i] <= last_ - t; }
  bool matters(std::size_t i, std::uint32_t t) const { return reached(i, t) && needed(i, t); }

 private:
  std::uint32_t last_;
  Hops from_labels_, from_readout_;
};

}  // namespace lowshot::diffusion
