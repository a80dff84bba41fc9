#include <gtest/gtest.h>

#include "lowshot/diffusion.h"
#include "oracle/dense.h"
#include "oracle/made_up_graphs.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

// 1' U_t, U_t = W^t L_0 unnormalised, in dense float64. The library's D^-1 is float32 (relative 2^-24 a step); its sums
// are float64.
TEST(ColumnSums, AreThoseOfThePowersOfW) {
  const std::size_t n = 150, classes = 5, iterations = 12;
  for (const bool clustered : {false, true}) {
    const oracle::Lists lists = clustered ? oracle::clustered_lists(n, 7, 1) : oracle::untidy_lists(n, 7, 2);
    const std::vector<std::int32_t> labels = oracle::labels(n, classes, 4, 3);
    Context context;
    const Graph graph = symmetrise(context, oracle::table_of(lists, 7));
    const Matrix<double> sums = column_sums(context, graph.view(), labels, classes, iterations);
    ASSERT_EQ(sums.rows(), iterations + 1);
    ASSERT_EQ(sums.cols(), classes);

    const oracle::Dense w = oracle::transition(oracle::symmetric(oracle::adjacency(lists)));
    oracle::Dense u(n, classes);
    for (std::size_t i = 0; i < n; ++i)
      if (labels[i] >= 0) u(i, static_cast<std::size_t>(labels[i])) = 1;
    for (std::size_t t = 0; t <= iterations; ++t) {
      for (std::size_t c = 0; c < classes; ++c) {
        double expected = 0;
        for (std::size_t i = 0; i < n; ++i) expected += u(i, c);
        EXPECT_NEAR(sums(t, c), expected, expected * static_cast<double>(t + 1) * 6e-8)
            << "t = " << t << ", class " << c;
        if (c == 1) {
          EXPECT_EQ(sums(t, c), 0) << "no node has class 1";
        }
      }
      oracle::Dense next(n, classes);
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j)
          for (std::size_t c = 0; c < classes; ++c) next(i, c) += w(i, j) * u(j, c);
      u = next;
    }
  }
}

TEST(ColumnSums, DoNotDependOnThreads) {
  const std::size_t n = 5000;
  const std::vector<std::int32_t> labels = oracle::labels(n, 7, 3, 4);
  Context context;
  const Graph graph = symmetrise(context, oracle::table_of(oracle::untidy_lists(n, 6, 5), 6));
  Context one = oracle::context_of(Isa::avx2, 1);
  const Matrix<double> expected = column_sums(one, graph.view(), labels, 7, 6);
  for (const int threads : {2, 5}) {
    Context other = oracle::context_of(Isa::avx2, threads);
    const Matrix<double> sums = column_sums(other, graph.view(), labels, 7, 6);
    for (std::size_t e = 0; e < sums.size(); ++e) ASSERT_EQ(sums.data()[e], expected.data()[e]);
  }
}

TEST(ColumnSums, OfAGraphInAnotherOrderAreTheSame) {
  const std::size_t n = 300;
  const std::vector<std::int32_t> labels = oracle::labels(n, 7, 3, 4);
  const KnnTable table = oracle::table_of(oracle::untidy_lists(n, 6, 5), 6);
  std::vector<NodeId> order(n);
  for (std::size_t i = 0; i < n; ++i) order[i] = static_cast<NodeId>(i * 7 % n);
  Context context;
  const Graph plain = symmetrise(context, table), ordered = symmetrise(context, table, {.order = order});
  const Matrix<double> expected = column_sums(context, plain.view(), labels, 7, 6),
                       sums = column_sums(context, ordered.view(), labels, 7, 6);
  for (std::size_t e = 0; e < sums.size(); ++e)
    ASSERT_NEAR(sums.data()[e], expected.data()[e], 1e-12 * expected.data()[e]);
}

TEST(ColumnSums, RefuseLabelsThatAreNoClasses) {
  Context context;
  const Graph graph = symmetrise(context, oracle::table_of(oracle::chain(3), 2));
  const std::vector<std::int32_t> beyond = {0, -1, 2}, below = {0, -2, 1}, short_by_one = {0, 1};
  EXPECT_EQ(oracle::error_of([&] { column_sums(context, graph.view(), beyond, 2, 1); }),
            "input: node 2 has class 2, classes are 0 to 1");
  EXPECT_EQ(oracle::error_of([&] { column_sums(context, graph.view(), below, 2, 1); }),
            "input: node 1 has class -2, classes are 0 to 1");
  EXPECT_EQ(oracle::error_of([&] { column_sums(context, graph.view(), short_by_one, 2, 1); }),
            "input: 2 labels for a graph of 3 nodes");
}

}  // namespace
}  // namespace lowshot
