#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>
#include <type_traits>

#include "lowshot/graph.h"
#include "oracle/dense.h"
#include "oracle/made_up_graphs.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using oracle::Lists;
using oracle::table_of;

Graph graph_of(const Lists& lists, std::size_t k, int threads = 2) {
  Context context = oracle::context_of(Isa::avx2, threads);
  return symmetrise(context, table_of(lists, k));
}

// Every entry of B, every row sum, ids rising, against the dense matrices.
void expect_is_dense(const Graph& graph, const Lists& lists) {
  const std::size_t n = lists.size();
  const oracle::Dense b = oracle::symmetric(oracle::adjacency(lists));
  const std::vector<double> d = oracle::row_sums(b);
  ASSERT_EQ(graph.offsets.size(), n + 1);
  ASSERT_EQ(graph.inverse_degree.size(), n);
  ASSERT_EQ(graph.view().nodes(), n);
  EXPECT_EQ(graph.offsets[0], 0u);
  EXPECT_EQ(graph.offsets[n], graph.neighbours.size());
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<double> row(n, 0.0);
    std::int64_t before = -1;
    double weights = 0;
    for (const std::uint32_t edge : graph.view().row(i)) {
      ASSERT_LT(edge_node(edge), n);
      ASSERT_GT(std::int64_t{edge_node(edge)}, before) << "row " << i << " is not rising";
      before = edge_node(edge);
      row[edge_node(edge)] = edge_weight(edge);
      weights += edge_weight(edge);
    }
    for (std::size_t j = 0; j < n; ++j) ASSERT_EQ(row[j], b(i, j)) << "entry " << i << ", " << j;
    // A row of W sums to 1: the reciprocal of a small integer, rounded once.
    if (d[i] == 0) {
      EXPECT_EQ(graph.inverse_degree[i], 0);
    } else {
      EXPECT_NEAR(weights * graph.inverse_degree[i], 1, 1e-7) << "row " << i;
    }
  }
}

TEST(Symmetrise, HandMadeTable) {
  // 0 names itself and 1; 1 names 0 (mutual) and 2 twice; 2 names nobody; 3 is isolated; 4 names 2, behind a hole.
  const Lists lists = {{0, 1, -1}, {0, 2, 2}, {-1, -1, -1}, {-1, -1, -1}, {-1, 2, -1}};
  const Graph graph = graph_of(lists, 3);
  const Array<std::uint64_t> offsets = {0, 2, 4, 6, 6, 7};
  const Array<std::uint32_t> neighbours = {0 | weight2_bit, 1 | weight2_bit, 0 | weight2_bit, 2, 1, 4, 2};
  EXPECT_EQ(graph.offsets, offsets);
  EXPECT_EQ(graph.neighbours, neighbours);
  const Array<float> inverse_degree = {1 / 4.0f, 1 / 3.0f, 1 / 2.0f, 0, 1};
  EXPECT_EQ(graph.inverse_degree, inverse_degree);
  expect_is_dense(graph, lists);
}

TEST(Symmetrise, IsTheDenseSum) {
  for (const std::size_t n : {1, 2, 3, 10, 63, 64, 65, 200})
    for (const std::size_t k : {1, 2, 7, 30}) {
      SCOPED_TRACE("n = " + std::to_string(n) + ", k = " + std::to_string(k));
      const Lists untidy = oracle::untidy_lists(n, k, static_cast<std::uint32_t>(n + k));
      expect_is_dense(graph_of(untidy, k), untidy);
      const Lists clustered = oracle::clustered_lists(n, k, static_cast<std::uint32_t>(n + k));
      expect_is_dense(graph_of(clustered, k), clustered);
    }
}

TEST(Symmetrise, StarsAndFullGraphs) {
  Lists star(300), full(40);
  for (auto& list : star) list = {0};
  for (auto& list : full)
    for (std::int64_t j = 0; j < 40; ++j) list.push_back(j);
  expect_is_dense(graph_of(star, 1), star);
  expect_is_dense(graph_of(full, 40), full);
}

TEST(Symmetrise, EmptyTables) {
  const Graph none = graph_of({}, 5);
  EXPECT_EQ(none.offsets, Array<std::uint64_t>{0});
  EXPECT_EQ(none.view().nodes(), 0u);
  EXPECT_EQ(none.view().edges(), 0u);
  const Graph no_places = graph_of(Lists(3), 0);
  EXPECT_EQ(no_places.offsets, (Array<std::uint64_t>{0, 0, 0, 0}));
  EXPECT_EQ(no_places.inverse_degree, (Array<float>{0, 0, 0}));
}

TEST(Symmetrise, DoesNotDependOnThreads) {
  const Lists lists = oracle::untidy_lists(3000, 12, 9);
  const Graph one = graph_of(lists, 12, 1);
  for (const int threads : {2, 5}) {
    const Graph graph = graph_of(lists, 12, threads);
    EXPECT_EQ(graph.offsets, one.offsets);
    EXPECT_EQ(graph.neighbours, one.neighbours);
    EXPECT_EQ(graph.inverse_degree, one.inverse_degree);
  }
}

TEST(Symmetrise, RefusesIdsBeyondTheRows) {
  EXPECT_EQ(oracle::error_of([] {
              graph_of({{0, 1}, {1, 2}}, 2);
            }),
            "input: neighbour 2 of row 1 is not one of the 2 rows");
  EXPECT_EQ(oracle::error_of([] {
              graph_of({{0, 4294967294}, {1, 0}}, 2);
            }),
            "input: neighbour 4294967294 of row 0 is not one of the 2 rows");
}

// Node order[p] at place p: entry (p, q) of the ordered graph is entry (order[p], order[q]) of the plain one.
TEST(Symmetrise, KeepsNodesInTheOrderAskedFor) {
  for (const std::size_t n : {std::size_t{1}, std::size_t{90}, std::size_t{5000}}) {  // two chunks of rows and more
    const Lists lists = n > 1000 ? oracle::untidy_lists(n, 7, 3) : oracle::clustered_lists(n, 7, 3);
    const Graph plain = graph_of(lists, 7);
    std::vector<NodeId> order(n), place(n);
    std::iota(order.begin(), order.end(), NodeId{0});
    std::shuffle(order.begin(), order.end(), std::mt19937(4));
    for (std::size_t p = 0; p < n; ++p) place[order[p]] = static_cast<NodeId>(p);
    for (const int threads : {1, 2, 5}) {
      Context context = oracle::context_of(Isa::avx2, threads);
      const Graph graph = symmetrise(context, table_of(lists, 7), {.order = order});
      ASSERT_TRUE(std::equal(order.begin(), order.end(), graph.view().order.begin(), graph.view().order.end()));
      for (std::size_t p = 0; p < n; ++p) {
        std::vector<std::uint32_t> expected;
        for (const std::uint32_t edge : plain.view().row(order[p]))
          expected.push_back(place[edge_node(edge)] | (edge & weight2_bit));
        std::sort(expected.begin(), expected.end(),
                  [](std::uint32_t a, std::uint32_t b) { return edge_node(a) < edge_node(b); });
        const auto row = graph.view().row(p);
        ASSERT_EQ(std::vector<std::uint32_t>(row.begin(), row.end()), expected) << "place " << p;
        ASSERT_EQ(graph.inverse_degree[p], plain.inverse_degree[order[p]]);
      }
    }
  }
}

TEST(Symmetrise, RefusesAnOrderThatIsNoPermutation) {
  const KnnTable table = table_of({{0, 1}, {1, 2}, {2, 0}}, 2);
  for (const std::vector<NodeId>& order : {std::vector<NodeId>{0, 1}, {0, 1, 1}, {0, 1, 3}, {0, 1, 2, 3}})
    EXPECT_EQ(oracle::error_of([&] {
                Context context;
                symmetrise(context, table, {.order = order});
              }),
              "input: the order of the nodes does not hold each of the 3 nodes once");
}

TEST(Symmetrise, UsesTheFirstColumnsOnly) {
  const Lists lists = oracle::untidy_lists(120, 9, 5);
  Lists first = lists;
  for (auto& list : first) list.resize(4);
  Context context;
  expect_is_dense(symmetrise(context, table_of(lists, 9), {.columns = 4}), first);
}

TEST(GraphView, OffsetsAre64Bit) {
  static_assert(std::is_same_v<decltype(Graph::offsets)::value_type, std::uint64_t>);
  // A part of a larger graph: its offsets start beyond 2^32, its ids at the beginning of what is in memory.
  const Graph graph = graph_of(oracle::clustered_lists(50, 5, 3), 5);
  Array<std::uint64_t> offsets = graph.offsets;
  for (std::uint64_t& offset : offsets) offset += (std::uint64_t{1} << 33) + 12345;
  const GraphView shifted{offsets, graph.neighbours, graph.inverse_degree};
  EXPECT_EQ(shifted.edges(), graph.view().edges());
  for (std::size_t i = 0; i < 50; ++i) {
    ASSERT_EQ(shifted.row(i).data(), graph.view().row(i).data());
    ASSERT_EQ(shifted.row(i).size(), graph.view().row(i).size());
  }
}

TEST(Symmetrise, MemoryEstimateCoversTheResult) {
  const std::size_t n = 500, k = 9;
  const Graph graph = graph_of(oracle::clustered_lists(n, k, 4), k);
  const std::uint64_t held = graph.offsets.size() * 8 + graph.neighbours.size() * 4 + graph.inverse_degree.size() * 4;
  EXPECT_GE(symmetrise_memory(n, k), held);
  EXPECT_LT(symmetrise_memory(n, k), 2 * held + n * 24);  // mutual edges stand twice; counts, order, places
}

}  // namespace
}  // namespace lowshot
