#include "diffusion/last_step.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "diffusion/read_out.h"
#include "oracle/dense.h"
#include "oracle/made_up_graphs.h"
#include "oracle/views.h"

namespace lowshot::diffusion {
namespace {

constexpr std::size_t nodes = 900, queries = 100, k = 30;
constexpr std::uint32_t classes = 3000;  // so many that 100 queries make several groups

Matrix<NodeId> made_up_queries() {
  Matrix<NodeId> named(queries, k);
  for (std::size_t q = 0; q < queries; ++q)
    for (std::size_t j = 0; j < k; ++j) named(q, j) = static_cast<NodeId>((q * 389 + j * j * 7) % nodes);
  named(3, 0) = no_node;
  named(4, 1) = named(4, 0);                                         // twice
  for (std::size_t j = 0; j < k; ++j) named(50, j) = no_node;        // nobody
  for (std::size_t j = 0; j < k; ++j) named(51, j) = nodes - 1 - j;  // falling
  return named;
}

TEST(QueryGroups, HoldEveryQueryOnceAndWhatItNames) {
  const Matrix<NodeId> named = made_up_queries();
  const QueryGroups groups(3, named, classes);
  ASSERT_GT(groups.rows.size(), 2u);
  EXPECT_EQ(std::set<std::uint32_t>(groups.queries.begin(), groups.queries.end()).size(), queries);
  for (std::size_t g = 0; g < groups.rows.size(); ++g) {
    std::set<NodeId> expected;
    for (std::size_t e = g * groups.group; e < std::min(queries, (g + 1) * groups.group); ++e)
      for (std::size_t j = 0; j < k; ++j)
        if (named(groups.queries[e], j) != no_node) expected.insert(named(groups.queries[e], j));
    EXPECT_EQ(groups.rows[g], std::vector<NodeId>(expected.begin(), expected.end()));
  }
}

template <typename T>
class LastStep : public testing::Test {};
using Storages = testing::Types<float, Half>;
TYPED_TEST_SUITE(LastStep, Storages);

// The step, stored, and its read-out: another way to the same bits.
TYPED_TEST(LastStep, IsTheStepAndItsReadOut) {
  const oracle::Lists lists = oracle::untidy_lists(nodes, 4, 5);
  Context context;
  const Graph graph = symmetrise(context, oracle::table_of(lists, 4));
  const std::vector<std::int32_t> labels = oracle::labels(nodes, classes, 300, 6);
  const Matrix<NodeId> named = made_up_queries();
  const std::uint32_t last = 3;
  const Reach reach(2, graph.view(), labels, named, last);
  SparseScores<TypeParam> u = one_hot<TypeParam>(2, labels);
  for (std::uint32_t t = 1; t < last; ++t) u = *sparse_step(2, graph.view(), u, classes, reach, t, UINT64_MAX);
  std::vector<float> scale(classes);
  for (std::uint32_t c = 0; c < classes; ++c) scale[c] = 1 + static_cast<float>(c) / 7;
  const auto slices = make_slices<TypeParam>(classes, 0);
  const auto into = [](Matrix<float>& scores) {
    return [&scores](const Slice& slice, MatrixView<const float> part) {
      for (std::size_t q = 0; q < part.rows(); ++q) std::copy_n(part.row(q), part.cols(), scores.row(q) + slice.first);
    };
  };
  Matrix<float> expected(queries, classes);
  const auto stored = *sparse_step(2, graph.view(), u, classes, reach, last, UINT64_MAX);
  read_out<TypeParam>(2, stored, slices, named, scale.data(), UINT32_MAX, into(expected));
  EXPECT_GT(*std::max_element(expected.data(), expected.data() + expected.size()), 0.0f);
  for (const int threads : {1, 4}) {
    Matrix<float> scores(queries, classes);
    const QueryGroups groups(threads, named, classes);
    last_step<TypeParam>(threads, graph.view(), u, slices, named, groups, scale.data(), into(scores));
    EXPECT_EQ(std::memcmp(scores.data(), expected.data(), expected.size() * sizeof(float)), 0) << threads << " threads";
  }
}

}  // namespace
}  // namespace lowshot::diffusion
