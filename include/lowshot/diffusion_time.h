#pragma once
// How much longer an edge takes in a large graph than in a sample of it: what the caches no longer hold.

#include <cstdint>

#include "lowshot/context.h"
#include "lowshot/graph.h"

namespace lowshot {

/// Time of gathering scores along the edges of a graph of `nodes` nodes, each edge, over the time in `sample`, a graph
/// of evenly drawn nodes in the same order. The large graph is the sample stretched: a node stands for the nodes of its
/// stretch, an edge leads to one of the stretch of its end, so the locality of the order is kept. Times about a million
/// gathers. At least 1. Allocates 256 bytes a node, at most 512 MiB (beyond, nothing is cached in either).
double gather_slowdown(Context& context, const GraphView& sample, std::uint64_t nodes);

}  // namespace lowshot
