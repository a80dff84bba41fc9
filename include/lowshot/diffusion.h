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
  automatic,  ///< skip rows that cannot matter; a step is sparse where its edges and additions, counted, cost less
              ///< than a dense one's edges times classes; a last, single dense step makes only the rows that are read
  on,         ///< skip every row that cannot matter, keep steps sparse while their rows fit in memory
  off,        ///< every row in every step, dense
};

/// What U_t is kept in between steps. Sums are float32 always.
enum class Storage {
  automatic,  ///< half where it is quicker: from 2^17 nodes on, at most 65,536 classes
  half,       ///< float16, scaled by 2^15: each step rounds to 11 bits. Error (usage) beyond 65,536 classes
  single,     ///< float32
};

struct DiffusionOptions {
  std::uint32_t iterations = 10;
  /// Classes processed at a time; 0 = 64. Results do not depend on it, memory does (nodes x slice x 4 or 8 bytes).
  std::uint32_t slice = 0;
  Pruning pruning = Pruning::automatic;
  std::uint32_t read_from = 0;    ///< first iteration that is read out
  bool normalise_columns = true;  ///< false: hand over U_t, whose columns add up over sets of labels, instead of L_t
  Storage storage = Storage::automatic;
};

/// Receives scores: iteration t (read_from .. iterations), classes first_class .. first_class + scores.cols() - 1, and
/// the scores V_t = W2 L_t of every query row. Each (t, slice) comes exactly once; the order is not promised.
using ScoreSink = std::function<void(std::uint32_t t, std::uint32_t first_class, MatrixView<const float> scores)>;

/// Diffuses one-hot labels over the graph and reads out the scores of query rows after every iteration.
/// `labels`: one a node, class 0 .. classes-1 or -1. `queries`: m x k node ids, the neighbours of each query row
/// (no_node is skipped, an id that stands twice counts twice); queries are never nodes.
/// Stored is U_t = W^t L_0, the column normalisation is applied at read-out (L_t = U_t diag(1' U_t)^-1), its factors
/// come from vectors: 1' U_t = r_t' L_0, r_{t+1} = W' r_t, in float64.
/// Deterministic; the result does not depend on threads, instruction set, slice or pruning (tests: bit-identical). It
/// depends on the storage, and on the graph's order, which is the order of sums.
void diffuse(Context& context, const GraphView& graph, std::span<const std::int32_t> labels, std::uint32_t classes,
             MatrixView<const NodeId> queries, const DiffusionOptions& options, const ScoreSink& sink);

/// As `diffuse`, but hands over the rows of L_t themselves (all nodes; nothing is pruned, storage is float32).
void diffuse_all_nodes(Context& context, const GraphView& graph, std::span<const std::int32_t> labels,
                       std::uint32_t classes, const DiffusionOptions& options, const ScoreSink& sink);

/// The most bytes that `diffuse` allocates beside its arguments. Sparse steps keep to a bound, whatever the graph.
std::uint64_t diffuse_memory(std::uint64_t nodes, std::uint64_t queries, std::uint32_t classes,
                             const DiffusionOptions& options);

/// 1' U_t for t = 0 .. iterations: (iterations + 1) x classes, float64. Throws Error (input) as `diffuse` does.
Matrix<double> column_sums(Context& context, const GraphView& graph, std::span<const std::int32_t> labels,
                           std::uint32_t classes, std::uint32_t iterations);

}  // namespace lowshot
