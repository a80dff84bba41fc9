// Graphs from sparse matrices, against dense ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "lowshot/sparse_matrix.h"
#include "oracle/dense.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using oracle::Dense;
using oracle::error_of;
using testing::HasSubstr;

/// Entries as they may come: columns in any order, some twice, some of weight 0. Sums are exact in float32.
SparseMatrix random_matrix(std::size_t n, std::size_t most, std::uint32_t seed) {
  std::mt19937 random(seed);
  SparseMatrix m{n, n, {0}, {}, {}};
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t e = random() % (most + 1); e > 0; --e) {
      m.columns.push_back(static_cast<std::uint32_t>(random() % n));
      m.values.push_back(static_cast<float>(random() % 64) / 8);
    }
    m.offsets.push_back(m.columns.size());
  }
  return m;
}

Dense dense_of(const SparseMatrix& m) {
  Dense d(m.rows, m.cols);
  for (std::size_t i = 0; i < m.rows; ++i)
    for (std::uint64_t e = m.offsets[i]; e < m.offsets[i + 1]; ++e) d(i, m.columns[e]) += m.values[e];
  return d;
}

void expect_graph(const WeightedGraph& found, const Dense& b) {
  const GraphView g = found.graph.view();
  ASSERT_EQ(g.nodes(), b.rows);
  for (std::size_t i = 0; i < b.rows; ++i) {
    const auto row = g.row(i);
    double degree = 0;
    std::size_t e = 0;
    for (std::size_t j = 0; j < b.cols; ++j) {
      if (b(i, j) == 0) continue;
      ASSERT_LT(e, row.size());
      EXPECT_EQ(row[e], j);
      EXPECT_EQ(found.weights.weights[g.offsets[i] + e++], b(i, j));
      degree += b(i, j);
    }
    ASSERT_EQ(e, row.size());
    EXPECT_FLOAT_EQ(found.weights.inverse_degree[i], static_cast<float>(degree > 0 ? 1 / degree : 0));
  }
}

TEST(SparseGraph, IsAddedToItsMirrorImage) {
  for (const int threads : {1, 3}) {
    Context context;
    context.threads = threads;
    const SparseMatrix m = random_matrix(600, 9, 1);
    const WeightedGraph graph = weighted_graph(context, m, "m.npz");
    EXPECT_TRUE(graph.symmetrised);
    expect_graph(graph, oracle::symmetric(dense_of(m)));
  }
}

TEST(SparseGraph, StaysAsItIsWhereItIsSymmetric) {
  Context context;
  const SparseMatrix m = random_matrix(300, 9, 2);
  WeightedGraph graph = weighted_graph(context, m, "m.npz");
  SparseMatrix b{m.rows, m.cols, std::move(graph.graph.offsets), std::move(graph.graph.neighbours),
                 std::move(graph.weights.weights)};
  const WeightedGraph again = weighted_graph(context, b, "b.npz");
  EXPECT_FALSE(again.symmetrised);
  expect_graph(again, dense_of(b));
}

TEST(SparseGraph, OfNothing) {
  Context context;
  const WeightedGraph none = weighted_graph(context, {0, 0, {0}, {}, {}}, "m.npz");
  EXPECT_EQ(none.graph.view().nodes(), 0u);
  const WeightedGraph alone = weighted_graph(context, {2, 2, {0, 0, 0}, {}, {}}, "m.npz");
  EXPECT_EQ(alone.graph.view().nodes(), 2u);
  EXPECT_EQ(alone.weights.inverse_degree[1], 0);
}

TEST(SparseGraph, IsSquare) {
  Context context;
  EXPECT_THAT(error_of([&] {
                weighted_graph(context, {2, 3, {0, 0, 0}, {}, {}}, "m.npz");
              }),
              HasSubstr("input: expected a square matrix of fewer than 2^31 rows and found 2 x 3; m.npz"));
}

TEST(SparseGraph, ASubmatrixTakesRowsAndRenumbersColumns) {
  const SparseMatrix m = random_matrix(40, 9, 11);
  const Dense whole = dense_of(m);
  const std::vector<std::uint64_t> rows = {7, 3, 3, 39, 0};
  std::vector<NodeId> new_column(40, no_node);
  for (const auto& [from, to] : {std::pair(5, 2), std::pair(0, 0), std::pair(39, 1), std::pair(20, 3)})
    new_column[static_cast<std::size_t>(from)] = static_cast<NodeId>(to);
  for (const int threads : {1, 3}) {
    Context context;
    context.threads = threads;
    const SparseMatrix part = submatrix(context, m, rows, new_column, 4);
    EXPECT_EQ(part.rows, 5u);
    EXPECT_EQ(part.cols, 4u);
    const Dense found = dense_of(part);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (std::size_t j = 0; j < 40; ++j)
        if (new_column[j] != no_node) EXPECT_EQ(found(i, new_column[j]), whole(rows[i], j));
      EXPECT_TRUE(std::is_sorted(part.columns.begin() + static_cast<std::ptrdiff_t>(part.offsets[i]),
                                 part.columns.begin() + static_cast<std::ptrdiff_t>(part.offsets[i + 1])));
    }
  }
}

TEST(SparseGraph, RowsOfATableAreRows) {
  const KnnTable table = oracle::table_of({{3, 0}, {}, {-1, 2}}, 2);
  Matrix<float> weights(3, 2);
  for (std::size_t e = 0; e < 6; ++e) weights.data()[e] = static_cast<float>(e + 1);
  Context context;
  const SparseMatrix m = sparse_rows(context, table, weights, 5);
  const Dense found = dense_of(m);
  EXPECT_EQ(m.columns.size(), 3u);
  EXPECT_EQ(found(0, 3), 1);
  EXPECT_EQ(found(0, 0), 2);
  EXPECT_EQ(found(2, 2), 6);
}

}  // namespace
}  // namespace lowshot
