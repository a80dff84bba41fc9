#include "diffusion/named_rows.h"

#include <gtest/gtest.h>

#include <set>

#include "oracle/made_up_graphs.h"
#include "oracle/views.h"

namespace lowshot::diffusion {
namespace {

TEST(NamedRows, AreTheRowsThatQueriesName) {
  Context context;
  const Graph graph = symmetrise(context, oracle::table_of(oracle::untidy_lists(200, 4, 5), 4));
  Matrix<NodeId> queries(30, 3);
  for (std::size_t e = 0; e < queries.size(); ++e)
    queries.data()[e] = e % 7 == 0 ? no_node : static_cast<NodeId>((e * 61) % 200);
  std::set<NodeId> expected(queries.data(), queries.data() + queries.size());
  expected.erase(no_node);
  for (const int threads : {1, 3}) {
    const NamedRows named = *named_rows(threads, graph.view(), queries, 64, 1 << 20);
    EXPECT_EQ(std::set<NodeId>(named.places.begin(), named.places.end()), expected);
    ASSERT_EQ(named.places.size(), expected.size());
    ASSERT_EQ(named.view().nodes(), expected.size());
    for (std::size_t r = 0; r < named.places.size(); ++r) {
      const auto row = named.view().row(r), original = graph.view().row(named.places[r]);
      EXPECT_EQ(std::vector<NodeId>(row.begin(), row.end()), std::vector<NodeId>(original.begin(), original.end()));
      EXPECT_EQ(named.inverse_degree[r], graph.inverse_degree[named.places[r]]);
    }
    for (std::size_t e = 0; e < queries.size(); ++e) {
      const NodeId row = named.queries.data()[e];
      if (queries.data()[e] == no_node)
        EXPECT_EQ(row, no_node);
      else
        EXPECT_EQ(named.places.at(row), queries.data()[e]);
    }
  }
}

TEST(NamedRows, KeepToTheirBound) {
  Context context;
  const Graph graph = symmetrise(context, oracle::table_of(oracle::untidy_lists(200, 4, 5), 4));
  Matrix<NodeId> queries(1, 2);
  queries(0, 0) = 3, queries(0, 1) = 100;
  const std::uint64_t edges = graph.view().row(3).size() + graph.view().row(100).size();
  const std::uint64_t bytes = 2 * (4 + 8 + 4 + 64) + 4 * edges + 4 * (2 + 200);
  EXPECT_TRUE(named_rows(2, graph.view(), queries, 64, bytes));
  EXPECT_FALSE(named_rows(2, graph.view(), queries, 64, bytes - 1));
  EXPECT_TRUE(named_rows(2, graph.view(), {}, 64, bytes)->places.empty());
}

}  // namespace
}  // namespace lowshot::diffusion
