#pragma once
// The order in which a graph's nodes are kept: near nodes beside each other, so that what a diffusion step gathers for
// one row is still in cache for the next.

#include <cstdint>
#include <span>
#include <vector>

#include "lowshot/context.h"
#include "lowshot/descriptors.h"
#include "lowshot/knn_table.h"

namespace lowshot {

/// The rows of x in cluster order: order[place] = row. Lists of about 256 near rows, the lists by recursive bisection
/// of their centroids. Deterministic, whatever the number of threads. O(n sqrt(n) d) with 8-bit products.
std::vector<NodeId> cluster_order(Context& context, const DescriptorView& x);

/// From this many rows on a graph is kept in cluster order: a slice of 64 classes of fewer stays in the processor's
/// last cache, wherever its rows lie.
inline constexpr std::uint64_t ordered_from_rows = 1 << 17;
/// cluster_order for that many rows and more; nothing (a graph's nodes as they come) for fewer.
std::vector<NodeId> graph_order(Context& context, const DescriptorView& x);

}  // namespace lowshot
