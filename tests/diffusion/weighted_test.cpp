// Weighted graphs and the diffusion on them, against dense float64 matrices.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>

#include "lowshot/weighted_diffusion.h"
#include "oracle/edge_weights.h"
#include "oracle/made_up_graphs.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using oracle::Cosines;
using oracle::Dense;

KnnTable table_of(const Cosines& cosines, std::size_t k) {
  KnnTable table{oracle::ids_of(cosines.lists, k), Matrix<float>(cosines.lists.size(), k)};
  for (std::size_t i = 0; i < table.rows(); ++i)
    for (std::size_t e = 0; e < k; ++e)
      table.similarities(i, e) =
          table.ids(i, e) == no_node ? -1 : static_cast<float>(cosines.similarity(i, table.ids(i, e)));
  return table;
}

std::vector<NodeId> shuffled(std::size_t n) {
  std::vector<NodeId> order(n);
  std::iota(order.begin(), order.end(), 0u);
  std::shuffle(order.begin(), order.end(), std::mt19937(5));
  return order;
}

TEST(EdgeWeights, AreAsTheOracleSays) {
  constexpr std::size_t n = 90, k = 7;
  for (const bool ragged : {false, true})
    for (const bool ordered : {false, true}) {
      const Cosines cosines = oracle::clustered_cosines(n, k, ragged, 3);
      const KnnTable table = table_of(cosines, k);
      Context context;
      const std::vector<NodeId> order = ordered ? shuffled(n) : std::vector<NodeId>();
      const Graph graph = symmetrise(context, table, {.order = order});
      const EdgeWeights weights = self_tuning_weights(context, graph.view(), table, 2);
      const Dense b = oracle::self_tuning(cosines, 2);
      const auto node = [&](std::size_t place) { return ordered ? order[place] : static_cast<NodeId>(place); };
      std::size_t edges = 0;
      for (const double value : b.values) edges += value > 0 ? 1 : 0;
      ASSERT_EQ(graph.view().edges(), edges);
      for (std::size_t i = 0; i < n; ++i) {
        double degree = 0;
        for (std::uint64_t e = graph.offsets[i]; e < graph.offsets[i + 1]; ++e) {
          const double expected = b(node(i), node(edge_node(graph.neighbours[e])));
          ASSERT_NEAR(weights.weights[e], expected, 1e-5 * expected);  // of 2 - 2 cos, cos rounded to float32
          degree += expected;
        }
        ASSERT_NEAR(weights.inverse_degree[i] * degree, 1, 1e-5);
      }
    }
}

TEST(EdgeWeights, RowsThatAreAllTheSameAndRowsAlone) {
  KnnTable table{Matrix<NodeId>(3, 2), Matrix<float>(3, 2)};  // 0 and 1 are equal, 2 has nobody
  const NodeId ids[3][2] = {{0, 1}, {1, 0}, {no_node, no_node}};
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t e = 0; e < 2; ++e) table.ids(i, e) = ids[i][e], table.similarities(i, e) = 1.0000001f;
  Context context;
  const Array<float> scales = squared_scales(context, table);
  EXPECT_EQ(scales[0], 1e-6f);
  EXPECT_EQ(scales[2], 2);
  const Graph graph = symmetrise(context, table);
  const EdgeWeights weights = self_tuning_weights(context, graph.view(), table, 2);
  EXPECT_EQ(std::vector<float>(weights.weights.begin(), weights.weights.end()), std::vector<float>(4, 2.0f));
  EXPECT_EQ(weights.inverse_degree[2], 0);
}

TEST(WeightedDiffusion, IsAsTheOracleSays) {
  constexpr std::size_t n = 120, k = 6;
  const Cosines cosines = oracle::clustered_cosines(n, k, true, 4);
  const KnnTable table = table_of(cosines, k);
  for (const std::uint32_t classes : {1u, 3u, 17u})
    for (const std::uint32_t iterations : {0u, 1u, 4u})
      for (const bool ordered : {false, true}) {
        const std::vector<std::int32_t> labels = oracle::labels(n, classes, 5, 6);
        const Dense w = oracle::transition(oracle::self_tuning(cosines, 2));
        const Dense expected = oracle::diffuse(w, labels, classes, iterations).back();
        const std::vector<NodeId> order = ordered ? shuffled(n) : std::vector<NodeId>();
        Matrix<float> first;
        for (const int threads : {1, 2, 5}) {
          Context context;
          context.threads = threads;
          const Graph graph = symmetrise(context, table, {.order = order});
          const EdgeWeights weights = self_tuning_weights(context, graph.view(), table, 2);
          Matrix<float> l = one_hot_labels(labels, classes);
          diffuse_weighted(context, {graph.view(), weights}, l, iterations);
          for (std::size_t e = 0; e < l.size(); ++e) ASSERT_NEAR(l.data()[e], expected.values[e], 1e-6);
          if (first.rows() == 0)
            first = Matrix<float>(l.rows(), l.cols()), std::copy_n(l.data(), l.size(), first.data());
          EXPECT_EQ(std::memcmp(l.data(), first.data(), l.size() * sizeof(float)), 0);
        }
      }
}

TEST(WeightedDiffusion, ReadsOutWithTheQueriesWeights) {
  constexpr std::size_t n = 60, k = 5, classes = 4;
  const Cosines cosines = oracle::clustered_cosines(n, k, true, 8);
  const KnnTable table = table_of(cosines, k);  // as if the nodes themselves were asked for
  Context context;
  const Array<float> scales = squared_scales(context, table);
  const Matrix<float> weights = self_tuning_weights(context, table, scales, 2);
  Matrix<float> l = one_hot_labels(oracle::labels(n, classes, 2, 1), classes);
  const Matrix<float> v = read_out_weighted(context, l, table.ids, weights);
  const std::vector<double> s = oracle::squared_scales(cosines);
  for (std::size_t q = 0; q < n; ++q)
    for (std::size_t c = 0; c < classes; ++c) {
      double expected = 0;
      for (const std::int64_t id : cosines.lists[q]) {
        const auto j = static_cast<std::size_t>(id);
        const double squared = std::max(0.0, 2 - 2 * cosines.similarity(q, j));
        expected += l(j, c) * std::exp(-2 * squared / std::sqrt(s[q] * s[j]));
      }
      ASSERT_NEAR(v(q, c), expected, 1e-5 * (1 + expected));
    }
}

}  // namespace
}  // namespace lowshot
