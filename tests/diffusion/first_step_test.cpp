#include "diffusion/first_step.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "oracle/made_up_graphs.h"
#include "oracle/views.h"

namespace lowshot::diffusion {
namespace {

template <typename T>
class FirstStep : public testing::Test {};
using Storages = testing::Types<float, Half>;
TYPED_TEST_SUITE(FirstStep, Storages);

template <typename T>
void expect_same_rows(const SparseScores<T>& a, const SparseScores<T>& b, std::size_t nodes) {
  EXPECT_EQ(a.entries, b.entries);
  EXPECT_EQ(a.filled, b.filled);
  EXPECT_EQ(a.longest, b.longest);
  for (std::size_t i = 0; i < nodes; ++i) {
    ASSERT_EQ(a.holds(i), b.holds(i)) << "row " << i;
    ASSERT_EQ(a.row(i).size(), b.row(i).size()) << "row " << i;
    for (std::size_t e = 0; e < a.row(i).size(); ++e) {
      ASSERT_EQ(a.row(i)[e].cls, b.row(i)[e].cls) << "row " << i;
      ASSERT_EQ(std::memcmp(&a.row(i)[e].score, &b.row(i)[e].score, sizeof(T)), 0) << "row " << i;
    }
  }
}

// The sparse step, which has an oracle of its own: another way to the same bits. Few classes make weights add up, many
// make rows of more entries than lie within, and the hub's row has all of both.
TYPED_TEST(FirstStep, IsTheSparseStep) {
  constexpr std::size_t nodes = 1500;
  oracle::Lists lists = oracle::untidy_lists(nodes, 12, 5);
  for (std::size_t i = 0; i < nodes; ++i)
    if (i % 3 != 0) lists[i][0] = 77;
  Context context;
  const Graph graph = symmetrise(context, oracle::table_of(lists, 12));
  for (const std::uint32_t classes : {1u, 3u, 10u, 400u})
    for (const std::size_t every : {1u, 3u, 40u}) {
      const auto labels = oracle::labels(nodes, classes, every, 6);
      for (const std::size_t read : {nodes, std::size_t{2}}) {
        Matrix<NodeId> queries(read, 1);
        for (std::size_t q = 0; q < read; ++q) queries(q, 0) = static_cast<NodeId>(q);
        const Reach reach(2, graph.view(), labels, queries, 2);
        const auto expected =
            *sparse_step(2, graph.view(), one_hot<TypeParam>(2, labels), classes, reach, 1, UINT64_MAX);
        if (classes == 400 && every == 1 && read == nodes) {
          EXPECT_GT(expected.longest, SparseScores<TypeParam>::Row::most_within);
        }
        EXPECT_LE(expected.entries, labelled_edges(2, graph.view(), labels));
        for (const int threads : {1, 2, 7}) {
          SCOPED_TRACE(std::to_string(classes) + " classes, every " + std::to_string(every) + ", threads " +
                       std::to_string(threads));
          expect_same_rows(first_step<TypeParam>(threads, graph.view(), labels, reach), expected, nodes);
        }
      }
    }
}

// A weight that no score's bits hold.
TYPED_TEST(FirstStep, OfAHubOfAHundredThousandLabels) {
  constexpr std::size_t nodes = 100000;
  oracle::Lists lists(nodes);
  for (std::size_t i = 1; i < nodes; ++i) lists[i] = {0};
  Context context;
  const Graph graph = symmetrise(context, oracle::table_of(lists, 1));
  const std::vector<std::int32_t> labels(nodes, 1);
  Matrix<NodeId> queries(1, 1);
  queries(0, 0) = 0;
  const Reach reach(2, graph.view(), labels, queries, 1);
  const auto expected = *sparse_step(2, graph.view(), one_hot<TypeParam>(2, labels), 2, reach, 1, UINT64_MAX);
  ASSERT_EQ(expected.row(0).size(), 1u);
  expect_same_rows(first_step<TypeParam>(2, graph.view(), labels, reach), expected, nodes);
}

TYPED_TEST(FirstStep, OfNothing) {
  Context context;
  const Graph graph = symmetrise(context, oracle::table_of(oracle::chain(70), 2));
  const std::vector<std::int32_t> none(70, -1);
  Matrix<NodeId> queries(1, 1);
  queries(0, 0) = 3;
  const auto u = first_step<TypeParam>(2, graph.view(), none, {2, graph.view(), none, queries, 2});
  EXPECT_EQ(u.entries, 0u);
  for (std::size_t i = 0; i < 70; ++i) EXPECT_TRUE(u.row(i).empty() && !u.holds(i));
}

}  // namespace
}  // namespace lowshot::diffusion
