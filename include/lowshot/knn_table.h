#pragma once
// The k-nearest-neighbour table: for each row, the ids of its most similar rows and the similarities.

#include <cstdint>
#include <span>

#include "lowshot/matrix.h"

namespace lowshot {

/// Node ids. Fewer than 2^31 nodes, so that a graph can use the top bit (lowshot/graph.h).
using NodeId = std::uint32_t;
inline constexpr NodeId no_node = 0xffffffffu;  ///< an empty place in a table; -1 in files
inline constexpr std::uint64_t max_nodes = 0x7fffffffu;

/// rows x k ids and similarities, each row by falling similarity, ties by rising id, empty places last
/// (id no_node, similarity -infinity). Made here, a row never holds an id twice. Published tables hold what
/// they hold until `tidy` has been over them.
/// Similarity: inner product, or minus the squared distance for the l2 metric.
struct KnnTable {
  Matrix<NodeId> ids;
  Matrix<float> similarities;

  /// rows x k places, not filled.
  static KnnTable sized(std::size_t rows, std::size_t k) { return {Matrix<NodeId>(rows, k), Matrix<float>(rows, k)}; }

  std::size_t rows() const { return ids.rows(); }
  std::size_t k() const { return ids.cols(); }
};

/// Brings a table read from a file to the order above: rows sorted, repeated ids dropped (the best one stays),
/// empty places last; a similarity that is NaN ranks last. In place, parallel over rows.
void tidy(KnnTable& table, int threads = 1);

/// Empties the places of neighbours with negative similarity, as the original's merge does. In place; for the cosine
/// (a negative similarity of the l2 metric means nothing).
void drop_negative(KnnTable& table);

/// The first k places of each row.
KnnTable first_columns(const KnnTable& table, std::size_t k);

/// A table over a part of some rows as a table over all of them: row i of `table`, and id i in it, becomes rows[i];
/// the other rows are empty and in no list. `rows`: ascending, one a row of `table`, below all_rows.
KnnTable spread(const KnnTable& table, std::span<const NodeId> rows, std::uint64_t all_rows);

}  // namespace lowshot
