#pragma once
// Diffusion on a graph with float weights: U <- D^-1 B U, all classes at once, dense, float32.

#include <cstdint>

#include "lowshot/context.h"
#include "lowshot/edge_weights.h"
#include "lowshot/matrix.h"
#include "lowshot/sparse_matrix.h"

namespace lowshot {

/// L_0 .. of one-hot labels: nodes x classes, 1 at each node's label (-1: none).
Matrix<float> one_hot_labels(std::span<const std::int32_t> labels, std::uint32_t classes);

/// L <- W^iterations L, then columns divided by their sums (a sum of 0 stays 0); rows are nodes, values at least 0.
/// Sums of a row in float32 in the order of its edges, of a column in float64; independent of the number of threads.
/// Beside `l` holds as much again.
void diffuse_weighted(Context& context, const WeightedGraphView& graph, Matrix<float>& l, std::uint32_t iterations);

/// V = W_2 L: the rows of L that a query names, each by its weight; queries x classes. no_node is skipped.
Matrix<float> read_out_weighted(Context& context, MatrixView<const float> l, MatrixView<const NodeId> queries,
                                MatrixView<const float> weights);
/// The same where the queries are rows of a sparse matrix, a column a node.
Matrix<float> read_out_weighted(Context& context, MatrixView<const float> l, const SparseMatrix& queries);

}  // namespace lowshot
