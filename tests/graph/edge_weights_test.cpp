// Weights by cosine and by a file, against dense float64 matrices. (Self-tuning ones: tests/diffusion/weighted_test.)
#include "lowshot/edge_weights.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "lowshot/io.h"
#include "oracle/edge_weights.h"
#include "oracle/files.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using oracle::Dense;
using oracle::error_of;
using testing::AllOf;
using testing::HasSubstr;

constexpr std::size_t n = 90, k = 7;

struct Example {
  oracle::Cosines cosines = oracle::clustered_cosines(n, k, true, 3);
  KnnTable table = {oracle::ids_of(cosines.lists, k), Matrix<float>(n, k)};
  std::vector<NodeId> order = std::vector<NodeId>(n);
  Graph graph;

  Example() {
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t e = 0; e < k; ++e) {
        if (table.ids(i, e) == no_node) {
          table.similarities(i, e) = -1;
          continue;
        }
        const std::size_t j = table.ids(i, e);
        double cosine = cosines.similarity(i, j);
        if ((i + j) % 11 == 0) cosine = -std::abs(cosine);  // some below 0
        cosines.similarity(i, j) = cosines.similarity(j, i) = cosine;
        table.similarities(i, e) = static_cast<float>(cosine);
      }
    std::iota(order.begin(), order.end(), 0u);
    std::shuffle(order.begin(), order.end(), std::mt19937(5));
    Context context;
    graph = symmetrise(context, table, {.order = order});
  }

  void expect_weights(const EdgeWeights& found, const Dense& expected) const {
    std::size_t edges = 0;
    for (std::size_t place = 0; place < n; ++place) {
      double degree = 0;
      for (std::uint64_t e = graph.offsets[place]; e < graph.offsets[place + 1]; ++e, ++edges) {
        const double b = expected(order[place], order[edge_node(graph.neighbours[e])]);
        ASSERT_NEAR(found.weights[e], b, 1e-6 * b);
        degree += b;
      }
      ASSERT_NEAR(found.inverse_degree[place] * degree, degree > 0 ? 1 : 0, 1e-6);
    }
    ASSERT_EQ(edges, found.weights.size());
  }
};

TEST(EdgeWeights, OfCosinesAreTheirPower) {
  const Example x;
  for (const double exponent : {1.0, 3.5}) {
    Dense b = oracle::symmetric(oracle::adjacency(x.cosines.lists));
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < n; ++j) b(i, j) *= std::pow(std::max(0.0, x.cosines.similarity(i, j)), exponent);
    Context context;
    x.expect_weights(
        edge_weights(context, x.graph.view(), x.table, {.kind = Weighting::Kind::cosine, .exponent = exponent}), b);
  }
}

TEST(EdgeWeights, OfOneAreTheGraphItself) {
  const Example x;
  Context context;
  const EdgeWeights weights = edge_weights(context, x.graph.view(), x.table, {});
  x.expect_weights(weights, oracle::symmetric(oracle::adjacency(x.cosines.lists)));
  for (std::size_t i = 0; i < n; ++i) EXPECT_EQ(weights.inverse_degree[i], x.graph.inverse_degree[i]);
}

TEST(EdgeWeights, OfAFileAreAddedInBothDirections) {
  const Example x;
  Matrix<float> listed(n, k);
  std::mt19937 random(3);
  Dense a(n, n);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t e = 0; e < k; ++e) {
      listed(i, e) = static_cast<float>(random() % 1000) / 256;  // 0 among them
      if (x.table.ids(i, e) != no_node) a(i, x.table.ids(i, e)) = listed(i, e);
    }
  const fixtures::TemporaryDirectory directory;
  write_npy(directory / "w.npy", listed.view());
  Context context;
  x.expect_weights(
      edge_weights(context, x.graph.view(), x.table, {.kind = Weighting::Kind::listed, .file = directory / "w.npy"}),
      oracle::symmetric(a));

  EXPECT_THAT(
      error_of([&] { read_edge_weights(directory / "w.npy", n, k + 1); }),
      AllOf(HasSubstr("input: expected a weight for each of the 8 neighbours of 90 rows"), HasSubstr("90 rows of 7")));
  EXPECT_THAT(error_of([&] { read_edge_weights(directory / "w.npy", n - 1, k); }), HasSubstr("of 89 rows"));
  for (const float bad : {-0.5f, 2e18f}) {
    listed(4, 2) = bad;
    write_npy(directory / "w.npy", listed.view());
    EXPECT_THAT(error_of([&] { read_edge_weights(directory / "w.npy", n, k); }),
                AllOf(HasSubstr("row 4, column 2: the weight"), HasSubstr("is not from 0 to")));
  }
  listed(4, 2) = std::numeric_limits<float>::quiet_NaN();
  write_npy(directory / "w.npy", listed.view());
  EXPECT_THAT(error_of([&] { read_edge_weights(directory / "w.npy", n, k); }), HasSubstr("row 4"));
}

TEST(EdgeWeights, RowsWithoutWeightAreRowsWithoutEdges) {
  EXPECT_EQ(inverse_degree(0), 0);
  EXPECT_EQ(inverse_degree(4), 0.25f);
  EXPECT_EQ(inverse_degree(1e-60), 0);  // 1e60 is no float32
}

}  // namespace
}  // namespace lowshot
