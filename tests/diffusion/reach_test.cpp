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
      const Hops hops = hops_from(threads, graph.view(), sources, limit);
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

TEST(RowsOfStep, AreReachedByLabelsAndStillReachTheReadOut) {
  const Hops from_labels = {0, 1, 2, 3, too_far}, from_readout = {too_far, 2, 1, 0, 0};
  EXPECT_EQ(rows_of_step(from_labels, from_readout, 0, 3), std::vector<std::uint32_t>{});  // node 0 reaches nobody
  EXPECT_EQ(rows_of_step(from_labels, from_readout, 1, 3), std::vector<std::uint32_t>{1});
  EXPECT_EQ(rows_of_step(from_labels, from_readout, 2, 3), std::vector<std::uint32_t>{2});
  EXPECT_EQ(rows_of_step(from_labels, from_readout, 3, 3), std::vector<std::uint32_t>{3});
  EXPECT_EQ(rows_of_step(from_labels, from_readout, 3, 5), (std::vector<std::uint32_t>{1, 2, 3}));
}

}  // namespace
}  // namespace lowshot::diffusion
