#include "diffusion/block_scores.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>

#include "oracle/made_up_graphs.h"
#include "oracle/views.h"

namespace lowshot::diffusion {
namespace {

constexpr std::size_t nodes = 1000;  // more than one chunk of 64, the last one not full

template <typename T>
class BlockStep : public testing::Test {};
using Storages = testing::Types<float, Half>;
TYPED_TEST_SUITE(BlockStep, Storages);

struct Problem {
  Graph graph;
  std::vector<std::int32_t> labels;
  Matrix<NodeId> queries{40, 2};

  explicit Problem(std::uint32_t classes) : labels(oracle::labels(nodes, classes, 6, 6)) {
    Context context;
    graph = symmetrise(context, oracle::table_of(oracle::untidy_lists(nodes, 5, 5), 5));
    for (std::size_t e = 0; e < queries.size(); ++e) queries.data()[e] = static_cast<NodeId>(e * 13 % nodes);
  }
};

// The sparse step, which has an oracle of its own, and its expansion: another way to the same bits. Between 1 and 300
// classes a row has few sums that are marked, or so many that all are looked at.
TYPED_TEST(BlockStep, HoldsTheRowsOfTheSparseStep) {
  for (const std::uint32_t classes : {1u, 8u, 63u, 64u, 65u, 128u, 300u, 3000u}) {
    const Problem p(classes);
    for (const std::uint32_t steps : {1u, 2u, 3u}) {
      const Reach reach(2, p.graph.view(), p.labels, p.queries, steps + 1);
      SparseScores<TypeParam> u = one_hot<TypeParam>(2, p.labels);
      for (std::uint32_t t = 1; t < steps; ++t) u = *sparse_step(2, p.graph.view(), u, classes, reach, t, UINT64_MAX);
      const auto rows = *sparse_step(2, p.graph.view(), u, classes, reach, steps, UINT64_MAX);
      ASSERT_GT(rows.entries, 0u);
      for (const int threads : {1, 4}) {
        const auto blocks = *block_step(threads, p.graph.view(), u, classes, reach, steps, UINT64_MAX);
        for (const std::uint32_t wanted : {0u, 1u, 7u, 40u}) {
          if (wanted == 1 && classes > 100) continue;
          for (const Slice& slice : make_slices<TypeParam>(classes, wanted)) {
            Matrix<TypeParam> expected(nodes, slice.width), found(nodes, slice.width);
            std::memset(static_cast<void*>(expected.data()), 1, expected.size() * sizeof(TypeParam));
            std::memset(static_cast<void*>(found.data()), 1, found.size() * sizeof(TypeParam));
            expand<TypeParam>(threads, rows, slice, expected, &reach, steps);
            expand<TypeParam>(threads, blocks, slice, found, reach, steps);
            ASSERT_EQ(std::memcmp(expected.data(), found.data(), expected.size() * sizeof(TypeParam)), 0)
                << classes << " classes, step " << steps << ", slice from " << slice.first;
          }
        }
      }
    }
  }
}

TYPED_TEST(BlockStep, KeepsToItsBound) {
  const Problem p(70);
  const Reach reach(2, p.graph.view(), p.labels, p.queries, 2);
  const auto u = one_hot<TypeParam>(2, p.labels);
  const std::uint64_t entries = sparse_step(2, p.graph.view(), u, 70, reach, 1, UINT64_MAX)->entries;
  const std::uint64_t chunks = (nodes + 63) / 64, bytes = chunks * 2 * (64 * 8 + 4) + entries * sizeof(TypeParam);
  for (const int threads : {1, 4}) {
    EXPECT_TRUE(block_step(threads, p.graph.view(), u, 70, reach, 1, bytes));
    EXPECT_FALSE(block_step(threads, p.graph.view(), u, 70, reach, 1, bytes - 1));
    EXPECT_FALSE(block_step(threads, p.graph.view(), u, 70, reach, 1, 0));
  }
}

TEST(Slices, CoverAllClassesAndCrossNoBlock) {
  for (const std::uint32_t classes : {1u, 7u, 63u, 64u, 65u, 100u, 128u, 1000u})
    for (const std::uint32_t wanted : {0u, 1u, 7u, 32u, 50u, 64u, 1000u}) {
      std::uint32_t next = 0;
      const auto slices = make_slices<float>(classes, wanted);
      for (const Slice& slice : slices) {
        EXPECT_EQ(slice.first, next);
        EXPECT_GT(slice.count, 0u);
        EXPECT_LE(slice.count, wanted == 0 ? 64 : wanted);
        EXPECT_LE(slice.first % 64 + slice.count, 64u);
        EXPECT_GE(slice.width, slice.count);
        EXPECT_LE(slice.width, slices.front().width);
        next += slice.count;
      }
      EXPECT_EQ(next, classes);
    }
}

}  // namespace
}  // namespace lowshot::diffusion
