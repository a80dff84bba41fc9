#pragma once
// Which rows matter at which step (exact pruning): a row is worked on at step t only if a label can have reached it
// (t hops from a labelled row) and if it can still reach a row that is read out (T - t hops).

#include <cstdint>
#include <span>
#include <vector>

#include "lowshot/graph.h"
#include "lowshot/matrix.h"

namespace lowshot::diffusion {

using Hops = std::vector<std::uint16_t>;
inline constexpr std::uint16_t too_far = 0xffff;

/// Hops from the nearest node of which `is_source` holds, up to `limit` (< 65535); too_far beyond. O(edges) in all.
Hops hops_from(int threads, const GraphView& graph, const std::vector<bool>& is_source, std::uint32_t limit);

/// Rows of step t of T in rising order: hops from labels <= t, hops from read-out rows <= T - t.
std::vector<std::uint32_t> rows_of_step(const Hops& from_labels, const Hops& from_readout, std::uint32_t t,
                                        std::uint32_t last);

}  // namespace lowshot::diffusion
