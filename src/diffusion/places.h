#pragma once
// What callers say of nodes, checked, and said of the places at which the graph keeps them (GraphView::order).

#include <cstdint>
#include <span>

#include "lowshot/graph.h"
#include "lowshot/matrix.h"

namespace lowshot::diffusion {

/// One label a node, each -1 or a class below `classes`, at least one class. Throws Error (input) otherwise.
void require_labels(int threads, const GraphView& graph, std::span<const std::int32_t> labels, std::uint32_t classes);
/// Every id a node or no_node. Throws Error (input) otherwise.
void require_queries(int threads, const GraphView& graph, MatrixView<const NodeId> queries);

Array<std::int32_t> labels_of_places(int threads, const GraphView& graph, std::span<const std::int32_t> labels);
Matrix<NodeId> queries_of_places(int threads, const GraphView& graph, MatrixView<const NodeId> queries);

}  // namespace lowshot::diffusion
