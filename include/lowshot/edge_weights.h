#pragma once
// General float weights of a graph's edges, beside the id-only graph: near neighbours count more.
//
//   w_ij = exp(-gain d_ij^2 / (s_i s_j)),  d_ij^2 = 2 - 2 cos_ij,  s_i: distance of node i to its last neighbour
// ("self-tuning", Zelnik-Manor and Perona 2004: each row its own scale), B_ij = w_ij (A_ij + A_ji), W = D^-1 B.

#include <cstdint>
#include <span>

#include "lowshot/allocation.h"
#include "lowshot/context.h"
#include "lowshot/graph.h"
#include "lowshot/knn_table.h"
#include "lowshot/matrix.h"

namespace lowshot {

struct EdgeWeights {
  Array<float> weights;         ///< B_ij, one for each of the graph's neighbours
  Array<float> inverse_degree;  ///< n: 1 / sum_j B_ij, of places; 0 for a row without edges
};

struct WeightedGraphView {
  GraphView graph;
  std::span<const float> weights, inverse_degree;

  WeightedGraphView(const GraphView& g, const EdgeWeights& w)
      : graph(g), weights(w.weights), inverse_degree(w.inverse_degree) {}
};

/// s_i^2 of every row: 2 - 2 similarity of its last neighbour, at least 1e-6 (rows that all are the same). A row
/// without neighbours: 2, as if they were at right angles.
Array<float> squared_scales(Context& context, const KnnTable& table);

/// The weights of `graph`, which `symmetrise` made of `table` (similarities: cosines). Deterministic; O(n k^2) time.
EdgeWeights self_tuning_weights(Context& context, const GraphView& graph, const KnnTable& table, double gain);

/// w_qj of queries and the nodes in their lists (0 for no_node). `scales`: s_j^2 of the nodes.
Matrix<float> self_tuning_weights(Context& context, const KnnTable& queries, std::span<const float> scales,
                                  double gain);

}  // namespace lowshot
