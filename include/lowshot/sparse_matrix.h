#pragma once
// A graph that somebody else made: a sparse matrix of weights, as scipy.sparse.save_npz writes it (docs/files.md).

#include <cstdint>
#include <filesystem>
#include <string>

#include "lowshot/allocation.h"
#include "lowshot/context.h"
#include "lowshot/edge_weights.h"
#include "lowshot/graph.h"

namespace lowshot {

/// Compressed rows: entries offsets[i] .. offsets[i + 1] - 1 are row i. In a row, columns come in any order, and
/// several times where their values are to be added.
struct SparseMatrix {
  std::uint64_t rows = 0, cols = 0;
  Array<std::uint64_t> offsets;  ///< rows + 1, from 0, not falling
  Array<std::uint32_t> columns;  ///< each below cols
  Array<float> values;           ///< from 0 to largest_edge_weight
};

/// A .npz of scipy.sparse.save_npz in the format csr, compressed or not; indices int32 or int64, data float32, float64
/// (rounded), int32 or int64. Every size is checked against the file and the others before it is allocated. Throws
/// Error (input) for anything else and, naming row and column, for columns that are not there and for values that are
/// NaN or not from 0 to largest_edge_weight. Holds a member of the file beside the result.
SparseMatrix read_sparse_npz(const std::filesystem::path& path);

/// A graph with the weights of its edges; nodes are kept as they come.
struct WeightedGraph {
  Graph graph;
  EdgeWeights weights;
  bool symmetrised = false;  ///< the matrix was not symmetric

  WeightedGraphView view() const { return {graph.view(), weights}; }
};

/// B = M where M is symmetric to the last bit, else B = M + M^T. Entries of 0 are no edges, entries that stand several
/// times are added (float32, in the order they come). Throws Error (input) where M is not square or has 2^31 rows or
/// more; `name` is for the message. Deterministic. Time O(entries log(entries of a row)); holds M^T beside M and B.
WeightedGraph weighted_graph(Context& context, const SparseMatrix& m, const std::string& name);

}  // namespace lowshot
