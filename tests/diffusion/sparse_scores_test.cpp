#include "diffusion/sparse_scores.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

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

std::vector<std::uint32_t> every_row() {
  std::vector<std::uint32_t> rows(nodes);
  for (std::uint32_t i = 0; i < nodes; ++i) rows[i] = i;
  return rows;
}

TEST(SparseScores, OneHotHoldsTheLabels) {
  const std::vector<std::int32_t> labels = {2, -1, 0, -1};
  const SparseScores u = one_hot(labels);
  ASSERT_EQ(u.row(0).size(), 1u);
  EXPECT_EQ(u.row(0)[0].cls, 2u);
  EXPECT_EQ(u.row(0)[0].score, 1.0f);
  EXPECT_TRUE(u.row(1).empty());
  EXPECT_EQ(u.row(2)[0].cls, 0u);
  EXPECT_TRUE(u.row(3).empty());
  EXPECT_TRUE(one_hot({}).entries.empty());
}

// U_t = W^t L_0 by plain loops over the lists' edges, float64.
TEST(SparseStep, IsTheProductForTheRowsAskedFor) {
  const Fixture made;
  std::vector<std::uint32_t> rows;
  for (std::uint32_t i = 0; i < nodes; ++i)
    if (i % 7 != 3) rows.push_back(i);
  for (const int threads : {1, 2, 5}) {
    SparseScores u = one_hot(made.labels);
    std::vector<std::vector<double>> dense(nodes, std::vector<double>(classes, 0.0));
    for (std::size_t i = 0; i < nodes; ++i)
      if (made.labels[i] >= 0) dense[i][static_cast<std::size_t>(made.labels[i])] = 1;
    for (int t = 0; t < 3; ++t) {
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
      std::uint64_t work = 0;
      for (std::size_t i = 0; i < nodes; ++i)
        for (const std::uint32_t edge : made.graph.view().row(i)) work += u.row(edge_node(edge)).size();
      EXPECT_EQ(step_work(made.graph.view(), u), work);

      u = sparse_step(threads, made.graph.view(), u, classes, rows);
      for (std::size_t i = 0; i < nodes; ++i) {
        const bool asked = i % 7 != 3;
        std::set<std::uint32_t> seen;
        for (const ClassScore& s : u.row(i)) {
          ASSERT_TRUE(seen.empty() || *seen.rbegin() < s.cls) << "classes of row " << i << " do not rise";
          seen.insert(s.cls);
          ASSERT_GT(s.score, 0);
          // At most 40 additions of positive numbers a row and step, each rounded to 2^-24.
          const double expected = next[i][s.cls] / degree[i];
          ASSERT_NEAR(s.score, expected, 3 * 40 * std::ldexp(expected, -24)) << "row " << i << ", step " << t;
        }
        for (std::uint32_t c = 0; c < classes; ++c)
          ASSERT_EQ(seen.count(c), asked && next[i][c] > 0) << "row " << i << ", class " << c;
        for (std::size_t c = 0; c < classes; ++c) dense[i][c] = asked && degree[i] > 0 ? next[i][c] / degree[i] : 0;
      }
    }
  }
}

TEST(SparseStep, DoesNotDependOnThreads) {
  const Fixture made;
  SparseScores one = one_hot(made.labels), five = one_hot(made.labels);
  for (int t = 0; t < 3; ++t) {
    one = sparse_step(1, made.graph.view(), one, classes, every_row());
    five = sparse_step(5, made.graph.view(), five, classes, every_row());
    ASSERT_EQ(one.offsets, five.offsets);
    for (std::size_t i = 0; i < nodes; ++i) {
      ASSERT_TRUE(
          std::equal(one.row(i).begin(), one.row(i).end(), five.row(i).begin(),
                     [](const ClassScore& a, const ClassScore& b) { return a.cls == b.cls && a.score == b.score; }));
    }
  }
}

TEST(SparseStep, OfNoRowsIsEmpty) {
  const Fixture made;
  const SparseScores u = sparse_step(2, made.graph.view(), one_hot(made.labels), classes, {});
  EXPECT_TRUE(u.entries.empty());
  EXPECT_EQ(u.offsets.size(), nodes + 1);
}

TEST(SparseScores, RowOfASlice) {
  const SparseScores u{{0, 4}, {{3, 1}, {16, 2}, {31, 3}, {0xffffffff, 4}}};
  const auto classes_of = [&](std::uint32_t first, std::uint32_t count) {
    std::vector<std::uint32_t> result;
    for (const ClassScore& s : u.row(0, first, count)) result.push_back(s.cls);
    return result;
  };
  using List = std::vector<std::uint32_t>;
  EXPECT_EQ(classes_of(0, 3), List{});
  EXPECT_EQ(classes_of(0, 4), List{3});
  EXPECT_EQ(classes_of(3, 14), (List{3, 16}));
  EXPECT_EQ(classes_of(4, 12), List{});
  EXPECT_EQ(classes_of(16, 16), (List{16, 31}));
  EXPECT_EQ(classes_of(17, 0xffffffff), (List{31, 0xffffffff}));
}

// Many classes, few of them in a row: blocks of classes that nothing touched stay out.
TEST(SparseStep, OfThousandsOfClasses) {
  const oracle::Lists lists = oracle::clustered_lists(90, 4, 8);
  Context context;
  const Graph graph = symmetrise(context, oracle::table_of(lists, 4));
  std::vector<std::int32_t> labels(90);
  for (std::size_t i = 0; i < 90; ++i) labels[i] = static_cast<std::int32_t>(i * 37);
  std::vector<std::uint32_t> rows(90);
  for (std::uint32_t i = 0; i < 90; ++i) rows[i] = i;
  const SparseScores u = sparse_step(2, graph.view(), one_hot(labels), 90 * 37, rows);
  const oracle::Dense w = oracle::transition(oracle::symmetric(oracle::adjacency(lists)));
  for (std::size_t i = 0; i < 90; ++i) {
    std::size_t entries = 0;
    for (std::size_t j = 0; j < 90; ++j) {
      entries += w(i, j) != 0;
      const auto found = u.row(i, static_cast<std::uint32_t>(j * 37), 37);
      ASSERT_EQ(found.size(), w(i, j) != 0 ? 1u : 0u);
      if (!found.empty()) {
        EXPECT_FLOAT_EQ(found[0].score, static_cast<float>(w(i, j)));
      }
    }
    EXPECT_EQ(u.row(i).size(), entries);
  }
}

TEST(Expand, WritesASliceOfClassesAndZerosElsewhere) {
  const std::vector<std::int32_t> labels = {15, -1, 16, 31, 32, 0};
  Matrix<float> dense(6, 16);
  std::fill_n(dense.data(), dense.size(), 7.0f);
  expand(2, one_hot(labels), 16, dense);
  for (std::size_t i = 0; i < 6; ++i)
    for (std::size_t c = 0; c < 16; ++c)
      EXPECT_EQ(dense(i, c), labels[i] == static_cast<std::int32_t>(16 + c) ? 1.0f : 0.0f) << i << ", " << c;
}

}  // namespace
}  // namespace lowshot::diffusion
