#pragma once
// Label diffusion (paper, section 3.3): L <- W L, columns divided by their sums, read out at the test rows.

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "lowshot/context.h"
#include "lowshot/graph.h"
#include "lowshot/knn_table.h"
#include "lowshot/matrix.h"

namespace lowshot {

enum class Pruning {
  automatic,  ///< sparse first steps and skipped rows wherever counted work says it pays
  on,         ///< skip every row that cannot matter, keep steps sparse while they are
  off,        ///< every row in every step, dense
};

struct DiffusionOptions {
  std::uint32_t iterations = 10;
  std::uint32_t slice =
      0;  ///< classes processed at a time; 0 = 64. Results do not depend on it, memory does (nodes x slice x 8 bytes)
  Pruning pruning = Pruning::automatic;
  std::uint32_t read_from = 0;    ///< first iteration that is read out
  bool normalise_columns = true;  ///< false: hand over U_t, whose columns add up over sets of labels, instead of L_t
};

/// Receives scores: iteration t (read_from .. iterations), classes first_class .. first_class + scores.cols() - 1, and
/// the scores V_t = W2 L_t of every query row. Each (t, slice) comes exactly once; the order is not promised.
using ScoreSink = std::function<void(std::uint32_t t, std::uint32_t first_class, MatrixView<const float> scores)>;

/// Diffuses one-hot labels over the graph and reads out the scores of query rows after every iteration.
/// `labels`: one a node, class 0 .. classes-1 or -1. `queries`: m x k node ids, the neighbours of each query row
/// (no_node is skipped, an id that stands twice counts twice); queries are never nodes.
/// Stored is U_t = W^t L_0, the column normalisation is applied at read-out (L_t = U_t diag(1' U_t)^-1), its factors
/// come from vectors: 1' U_t = r_t' L_0, r_{t+1} = W' r_t, in float64.
/// Deterministic; the result does not depend on threads, slice or pruning (tests: bit-identical).
void diffuse(Context& context, const GraphView& graph, std::span<const std::int32_t> labels, std::uint32_t classes,
             MatrixView<const NodeId> queries, const DiffusionOptions& options, const ScoreSink& sink);

/// As `diffuse`, but hands over the rows of L_t themselves (all nodes; nothing is pruned).
void diffuse_all_nodes(Context& context, const GraphView& graph, std::span<const std::int32_t> labels,
                       std::uint32_t classes, const DiffusionOptions& options, const ScoreSink& sink);

/// Bytes that `diffuse` allocates at its peak beside its arguments; an estimate where steps are sparse, because their
/// entries depend on the graph.
std::uint64_t diffuse_memory(std::uint64_t nodes, std::uint64_t queries, std::uint32_t classes,
                             const DiffusionOptions& options);

/// 1' U_t for t = 0 .. iterations: (iterations + 1) x classes, float64. Throws Error (input) as `diffuse` does.
Matrix<double> column_sums(Context& context, const GraphView& graph, std::span<const std::int32_t> labels,
                           std::uint32_t classes, std::uint32_t iterations);

}  // namespace lowshot
