#include "diffusion/sparse_scores.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <utility>

#include "core/half.h"
#include "oracle/dense.h"
#include "oracle/made_up_graphs.h"
#include "oracle/views.h"

namespace lowshot::diffusion {
namespace {

constexpr std::size_t nodes = 2100;  // more than two of the pieces that threads work on
constexpr std::uint32_t classes = 9;

struct Fixture {
  oracle::Lists lists = oracle::untidy_lists(nodes, 3, 5);
  std::vector<std::int32_t> labels = oracle::labels(nodes, classes, 50, 6);
  Graph graph;
  Fixture() {
    Context context;
    graph = symmetrise(context, oracle::table_of(lists, 3));
  }
};

constexpr std::uint64_t any_number = UINT64_MAX;

/// Every row matters at every step up to `last`: each has a label, and each is read.
Reach all_rows(const Graph& graph, std::uint32_t last) {
  Matrix<NodeId> queries(graph.view().nodes(), 1);
  for (std::size_t i = 0; i < queries.rows(); ++i) queries(i, 0) = static_cast<NodeId>(i);
  return {2, graph.view(), std::vector<std::int32_t>(queries.rows(), 0), queries, last};
}

float value(float stored) {
  return stored;
}
float value(Half stored) {
  return std::ldexp(to_float(stored), -15);
}

template <typename T>
class EveryStorage : public testing::Test {};
using Storages = testing::Types<float, Half>;
TYPED_TEST_SUITE(EveryStorage, Storages);

TYPED_TEST(EveryStorage, OneHotHoldsTheLabels) {
  const std::vector<std::int32_t> labels = {2, -1, 0, -1};
  const SparseScores<TypeParam> u = one_hot<TypeParam>(2, labels);
  ASSERT_EQ(u.row(0).size(), 1u);
  EXPECT_EQ(u.row(0)[0].cls, 2u);
  EXPECT_EQ(value(u.row(0)[0].score), 1.0f);
  EXPECT_TRUE(u.row(1).empty() && !u.holds(1));
  EXPECT_EQ(u.row(2)[0].cls, 0u);
  EXPECT_TRUE(u.holds(2));
  EXPECT_TRUE(u.row(3).empty());
  EXPECT_EQ(u.entries, 2u);
  EXPECT_EQ(one_hot<TypeParam>(2, {}).entries, 0u);
}

// U_t = W^t L_0 by plain loops over the lists' edges, float64.
TYPED_TEST(EveryStorage, ASparseStepIsTheProduct) {
  const Fixture made;
  // Half an ulp a step, at most 2^-11, or 2^-24 a term of the float sums.
  const double error = sizeof(TypeParam) == 2 ? 3 * std::ldexp(1.01, -11) : 3 * 40 * std::ldexp(1.0, -24);
  const Reach reach = all_rows(made.graph, 3);
  for (const int threads : {1, 2, 5}) {
    SparseScores<TypeParam> u = one_hot<TypeParam>(threads, made.labels);
    std::vector<std::vector<double>> dense(nodes, std::vector<double>(classes, 0.0));
    for (std::size_t i = 0; i < nodes; ++i)
      if (made.labels[i] >= 0) dense[i][static_cast<std::size_t>(made.labels[i])] = 1;
    for (std::uint32_t t = 1; t <= 3; ++t) {
      // B's rows: the sets of out-neighbours and of in-neighbours, each an addition of weight 1.
      std::vector<std::vector<double>> next(nodes, std::vector<double>(classes, 0.0));
      std::vector<double> degree(nodes, 0.0);
      for (std::size_t i = 0; i < nodes; ++i)
        for (const std::int64_t id : std::set<std::int64_t>(made.lists[i].begin(), made.lists[i].end())) {
          if (id < 0) continue;
          const std::size_t j = static_cast<std::size_t>(id);
          degree[i] += 1, degree[j] += 1;
          for (std::size_t c = 0; c < classes; ++c) next[i][c] += dense[j][c], next[j][c] += dense[i][c];
        }
      std::uint64_t additions = 0;
      for (std::size_t i = 0; i < nodes; ++i)
        for (const std::uint32_t edge : made.graph.view().row(i)) additions += u.row(edge_node(edge)).size();
      const StepWork work = step_work(threads, made.graph.view(), u, reach, t);
      EXPECT_EQ(work.additions, additions);
      EXPECT_EQ(work.edges, made.graph.view().edges());

      u = *sparse_step(threads, made.graph.view(), u, classes, reach, t, any_number);
      std::uint64_t entries = 0;
      for (std::size_t i = 0; i < nodes; ++i) {
        std::set<std::uint32_t> seen;
        for (const auto& s : u.row(i)) {
          ASSERT_TRUE(seen.empty() || *seen.rbegin() < s.cls) << "classes of row " << i << " do not rise";
          seen.insert(s.cls);
          ASSERT_GT(value(s.score), 0);
          const double expected = next[i][s.cls] / degree[i];
          ASSERT_NEAR(value(s.score), expected, error * expected) << "row " << i << ", step " << t;
        }
        for (std::uint32_t c = 0; c < classes; ++c)
          ASSERT_EQ(seen.count(c), next[i][c] > 0) << "row " << i << ", class " << c;
        ASSERT_EQ(u.holds(i), !seen.empty());
        entries += seen.size();
        for (std::size_t c = 0; c < classes; ++c) dense[i][c] = degree[i] > 0 ? next[i][c] / degree[i] : 0;
      }
      EXPECT_EQ(u.entries, entries);
    }
  }
}

TYPED_TEST(EveryStorage, ASparseStepLeavesRowsThatDoNotMatterEmpty) {
  const Fixture made;
  Matrix<NodeId> queries(1, 1);
  queries(0, 0) = 700;
  const Reach reach(2, made.graph.view(), made.labels, queries, 2);
  const Reach all = all_rows(made.graph, 2);
  const auto start = one_hot<TypeParam>(2, made.labels);
  const auto some = *sparse_step(2, made.graph.view(), start, classes, reach, 1, any_number);
  const auto every = *sparse_step(2, made.graph.view(), start, classes, all, 1, any_number);
  std::size_t empty = 0;
  for (std::size_t i = 0; i < nodes; ++i) {
    if (reach.matters(i, 1)) {
      EXPECT_EQ(some.row(i).size(), every.row(i).size());
    } else {
      EXPECT_TRUE(some.row(i).empty() && !some.holds(i));
      empty += every.holds(i);
    }
  }
  EXPECT_GT(empty, 0u);
  EXPECT_GT(some.entries, 0u);
}

TYPED_TEST(EveryStorage, ASparseStepDoesNotDependOnThreads) {
  const Fixture made;
  const Reach reach = all_rows(made.graph, 3);
  auto one = one_hot<TypeParam>(1, made.labels), five = one_hot<TypeParam>(5, made.labels);
  for (std::uint32_t t = 1; t <= 3; ++t) {
    one = *sparse_step(1, made.graph.view(), one, classes, reach, t, any_number);
    five = *sparse_step(5, made.graph.view(), five, classes, reach, t, any_number);
    ASSERT_EQ(one.entries, five.entries);
    for (std::size_t i = 0; i < nodes; ++i)
      ASSERT_TRUE(
          std::equal(one.row(i).begin(), one.row(i).end(), five.row(i).begin(), five.row(i).end(),
                     [](const auto& a, const auto& b) { return a.cls == b.cls && value(a.score) == value(b.score); }));
  }
}

TYPED_TEST(EveryStorage, ASparseStepKeepsToItsBound) {
  const Fixture made;
  const Reach reach = all_rows(made.graph, 1);
  const auto start = one_hot<TypeParam>(1, made.labels);
  const std::uint64_t entries = sparse_step(1, made.graph.view(), start, classes, reach, 1, any_number)->entries;
  for (const int threads : {1, 4}) {
    EXPECT_TRUE(sparse_step(threads, made.graph.view(), start, classes, reach, 1, entries));
    EXPECT_FALSE(sparse_step(threads, made.graph.view(), start, classes, reach, 1, entries - 1));
    EXPECT_FALSE(sparse_step(threads, made.graph.view(), start, classes, reach, 1, 0));
  }
}

// Many classes, few of them in a row: groups of classes that nothing touched stay out.
TYPED_TEST(EveryStorage, ASparseStepOfThousandsOfClasses) {
  const oracle::Lists lists = oracle::clustered_lists(90, 4, 8);
  Context context;
  const Graph graph = symmetrise(context, oracle::table_of(lists, 4));
  std::vector<std::int32_t> labels(90);
  for (std::size_t i = 0; i < 90; ++i) labels[i] = static_cast<std::int32_t>(i * 37);
  const auto u =
      *sparse_step(2, graph.view(), one_hot<TypeParam>(2, labels), 90 * 37, all_rows(graph, 1), 1, any_number);
  const oracle::Dense w = oracle::transition(oracle::symmetric(oracle::adjacency(lists)));
  for (std::size_t i = 0; i < 90; ++i) {
    std::size_t entries = 0;
    for (std::size_t j = 0; j < 90; ++j) {
      if (w(i, j) == 0) continue;
      ASSERT_LT(entries, u.row(i).size());
      const auto& entry = u.row(i)[entries++];
      EXPECT_EQ(entry.cls, j * 37);
      EXPECT_NEAR(value(entry.score), w(i, j), std::ldexp(w(i, j), -11));
    }
    EXPECT_EQ(u.row(i).size(), entries);
  }
}

TYPED_TEST(EveryStorage, ExpandWritesSlicesOfClassesAndZerosElsewhere) {
  const std::vector<std::int32_t> labels = {15, -1, 32, 31, 64, 0};
  auto u = one_hot<TypeParam>(2, labels);
  std::uint32_t first = 0;
  for (const std::uint32_t count : {16u, 16u, 32u, 1u}) {
    Matrix<TypeParam> dense(6, 32);
    std::memset(dense.data(), 1, dense.size() * sizeof(TypeParam));
    expand<TypeParam>(2, u, {first, count, 32}, dense, nullptr, 0);
    for (std::size_t i = 0; i < 6; ++i)
      for (std::uint32_t c = 0; c < 32; ++c)
        EXPECT_EQ(value(dense(i, c)), c < count && labels[i] == static_cast<std::int32_t>(first + c) ? 1.0f : 0.0f)
            << i << ", " << first + c;
    first += count;
  }
}

}  // namespace
}  // namespace lowshot::diffusion
