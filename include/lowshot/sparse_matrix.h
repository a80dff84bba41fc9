#pragma once
// A graph that somebody else made: a sparse matrix of weights, as scipy.sparse.save_npz writes it (docs/files.md).

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

#include "lowshot/allocation.h"
#include "lowshot/context.h"
#include "lowshot/edge_weights.h"
#include "lowshot/graph.h"
#include "lowshot/knn_table.h"

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
/// NaN or not from 0 to largest_edge_weight. Holds a member of the file beside the result. A build without libzip
/// throws Error (device).
SparseMatrix read_sparse_npz(const std::filesystem::path& path);

/// How large the matrix of such a file is, from its format, shape and offsets alone, checked as above.
struct SparseSize {
  std::uint64_t rows = 0, cols = 0, entries = 0;
};
SparseSize sparse_npz_size(const std::filesystem::path& path);
/// Bytes that read_sparse_npz holds, and of them those of the result.
std::uint64_t read_sparse_npz_memory(const SparseSize& size);
std::uint64_t sparse_matrix_memory(const SparseSize& size);

/// Rows `rows` of `m`, in that order; column j becomes new_column[j], and is left out where that is no_node. Each row
/// by rising new column. `cols`: of the result.
SparseMatrix submatrix(Context& context, const SparseMatrix& m, std::span<const std::uint64_t> rows,
                       std::span<const NodeId> new_column, std::uint64_t cols);

/// A row of a table as a row of the matrix, in its order: `weights`, one a place; empty places are no entries.
SparseMatrix sparse_rows(Context& context, const KnnTable& table, MatrixView<const float> weights, std::uint64_t cols);

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
/// Bytes that it holds at its peak beside `m`, result included.
std::uint64_t weighted_graph_memory(std::uint64_t rows, std::uint64_t entries);

}  // namespace lowshot
