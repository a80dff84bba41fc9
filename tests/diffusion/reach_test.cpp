#include "diffusion/reach.h"

#include <gtest/gtest.h>

#include "oracle/dense.h"
#include "oracle/made_up_graphs.h"
#include "oracle/views.h"

namespace lowshot::diffusion {
namespace {

Graph graph_of(const oracle::Lists& lists, std::size_t k) {
  Context context;
  return symmetrise(context, oracle::table_of(lists, k));
}

void expect_hops(const oracle::Lists& lists, std::size_t k, const std::vector<bool>& sources) {
  const Graph graph = graph_of(lists, k);
  const std::vector<int> expected = oracle::hops(oracle::symmetric(oracle::adjacency(lists)), sources);
  for (const std::uint32_t limit : {0u, 1u, 2u, 5u, 200u})
    for (const int threads : {1, 2}) {
      Hops hops(lists.size(), too_far);
      for (std::size_t i = 0; i < hops.size(); ++i)
        if (sources[i]) hops[i] = 0;
      spread_hops(threads, graph.view(), hops, limit);
      for (std::size_t i = 0; i < lists.size(); ++i) {
        const bool within = expected[i] >= 0 && expected[i] <= static_cast<int>(limit);
        ASSERT_EQ(hops[i], within ? expected[i] : int{too_far}) << "node " << i << ", limit " << limit;
      }
    }
}

TEST(Hops, AreThoseOfTheDenseGraph) {
  std::vector<bool> ends(100, false);
  ends[0] = ends[60] = true;
  expect_hops(oracle::chain(100), 2, ends);
  std::vector<bool> some(120, false);
  for (std::size_t i = 0; i < some.size(); i += 40) some[i] = true;
  expect_hops(oracle::clustered_lists(120, 4, 1), 4, some);
  expect_hops(oracle::untidy_lists(120, 2, 2), 2, some);
  expect_hops(oracle::untidy_lists(120, 2, 2), 2, std::vector<bool>(120, false));
  expect_hops(oracle::untidy_lists(120, 2, 2), 2, std::vector<bool>(120, true));
  expect_hops({}, 1, {});
}

TEST(Reach, SaysWhichRowsAStepWorksOn) {
  // Labels at 0 and 1 of a chain of eight, read at 4: three steps can bring a label of node 1 there.
  const Graph graph = graph_of(oracle::chain(8), 2);
  const std::vector<std::int32_t> labels = {5, 0, -1, -1, -1, -1, -1, -1};
  Matrix<NodeId> queries(1, 2);
  queries(0, 0) = no_node, queries(0, 1) = 4;
  for (const int threads : {1, 3}) {
    const Reach reach(threads, graph.view(), labels, queries, 3);
    const auto rows = [&](std::uint32_t t) {
      std::vector<std::uint32_t> found;
      for (std::uint32_t i = 0; i < 8; ++i)
        if (reach.matters(i, t)) found.push_back(i);
      return found;
    };
    using Rows = std::vector<std::uint32_t>;
    EXPECT_EQ(rows(0), Rows{1});
    EXPECT_EQ(rows(1), Rows{2});
    EXPECT_EQ(rows(2), Rows{3});
    EXPECT_EQ(rows(3), Rows{4});
    EXPECT_TRUE(reach.reached(3, 2) && !reach.reached(4, 2));
    EXPECT_TRUE(reach.needed(5, 2) && !reach.needed(5, 3));
  }
}

}  // namespace
}  // namespace lowshot::diffusion
