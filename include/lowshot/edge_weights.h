#pragma once
// General float weights of a graph's edges, beside the id-only graph: near neighbours count more.
//
// B_ij = w_ij (A_ij + A_ji), W = D^-1 B, with
//   unit:        w_ij = 1
//   cosine:      w_ij = max(cos_ij, 0)^exponent
//   self-tuning: w_ij = exp(-gain d_ij^2 / (s_i s_j)),  d_ij^2 = 2 - 2 cos_ij,  s_i: distance of node i to its last
//                neighbour (Zelnik-Manor and Perona 2004: each row its own scale)
//   listed:      B_ij = A_ij + A_ji, A_ij: the weight that a file gives the neighbour j in the list of i

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

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

/// 1 / degree; 0 for a row without edges, or of edges so light that float32 cannot hold it.
float inverse_degree(double degree);

/// Which of them.
struct Weighting {
  enum class Kind { unit, cosine, self_tuning, listed };
  Kind kind = Kind::unit;
  double exponent = 1;              ///< cosine: the larger, the less far neighbours count
  double gain = 2;                  ///< self-tuning; 2 is the recipe's (lowshot/recipe.h)
  std::filesystem::path file = {};  ///< listed
};

/// "unit", "cosine:G", "selftuning", else the name of a file. Throws Error (usage) for a G that is no number above 0.
Weighting weighting_of(const std::string& text);
std::string text_of(const Weighting& weighting);

/// The weights of `graph`, which `symmetrise` made of all columns of `table` (similarities: cosines). Deterministic;
/// O(n k^2) time. Reads weighting.file, where there is one, by read_edge_weights.
EdgeWeights edge_weights(Context& context, const GraphView& graph, const KnnTable& table, const Weighting& weighting);

inline constexpr float largest_edge_weight = 1e18f;  ///< of a file: sums of 2^31 of them are far from infinity

/// A_ij of every place of a table: npy float32 [rows, k]. Throws Error (input) for another shape and, naming row and
/// column, for values that are NaN or not from 0 to largest_edge_weight.
Matrix<float> read_edge_weights(const std::filesystem::path& file, std::uint64_t rows, std::uint64_t k);

/// `listed`: rows x k, at least 0; what stands beside empty places of the table is not looked at.
EdgeWeights listed_weights(Context& context, const GraphView& graph, const KnnTable& table,
                           MatrixView<const float> listed);

/// s_i^2 of every row: 2 - 2 similarity of its last neighbour, at least 1e-6 (rows that all are the same). A row
/// without neighbours: 2, as if they were at right angles.
Array<float> squared_scales(Context& context, const KnnTable& table);

EdgeWeights self_tuning_weights(Context& context, const GraphView& graph, const KnnTable& table, double gain);

/// w_qj of queries and the nodes in their lists (0 for no_node). `scales`: s_j^2 of the nodes.
Matrix<float> self_tuning_weights(Context& context, const KnnTable& queries, std::span<const float> scales,
                                  double gain);

/// w_qj of queries, for any weighting but `listed`. `table`: the nodes' own neighbours, which say their scales.
Matrix<float> query_weights(Context& context, const KnnTable& queries, const KnnTable& table,
                            const Weighting& weighting);

}  // namespace lowshot
