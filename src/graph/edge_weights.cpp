#include "lowshot/edge_weights.h"

#include <algorithm>
#include <cassert>
#include <cmath>

namespace lowshot {
namespace {

constexpr float least_scale = 1e-6f;  // s^2: below it cosines in float32 (6e-8) say little

float cosine_weight(float similarity, double exponent) {
  return static_cast<float>(std::pow(std::max(0.0, static_cast<double>(similarity)), exponent));
}

float weight(float similarity, float scale_i, float scale_j, double gain) {
  const double squared = std::max(0.0, 2 - 2 * static_cast<double>(similarity));
  return static_cast<float>(std::exp(-gain * squared / std::sqrt(static_cast<double>(scale_i) * scale_j)));
}

/// Where j stands in the list of row i; k where it does not.
std::size_t find(const KnnTable& table, std::size_t i, NodeId j) {
  const std::span<const NodeId> list = table.ids.view().row_span(i);
  return static_cast<std::size_t>(std::find(list.begin(), list.end(), j) - list.begin());
}

/// An entry of B, and where it comes from.
struct TableEdge {
  NodeId i, j;
  std::size_t own;             ///< where j stands in the list of i; k: nowhere
  std::uint32_t multiplicity;  ///< A_ij + A_ji
};

float similarity(const KnnTable& table, const TableEdge& e) {
  return e.own < table.k() ? table.similarities(e.i, e.own) : table.similarities(e.j, find(table, e.j, e.i));
}

/// B_ij = value(edge), and the degrees of that.
template <typename Value>
EdgeWeights weigh(Context& context, const GraphView& graph, const KnnTable& table, const Value& value) {
  const std::size_t n = graph.nodes();
  assert(table.rows() == n);
  const auto node_at = [&](std::size_t place) {
    return graph.order.empty() ? static_cast<NodeId>(place) : graph.order[place];
  };
  EdgeWeights result{Array<float>(graph.edges()), Array<float>(n)};
#pragma omp parallel for num_threads(context.thread_count()) schedule(dynamic, 256)
  for (std::size_t place = 0; place < n; ++place) {
    const NodeId i = node_at(place);
    float* out = result.weights.data() + (graph.offsets[place] - graph.offsets[0]);
    double degree = 0;
    for (const std::uint32_t edge : graph.row(place)) {
      const NodeId j = node_at(edge_node(edge));
      *out = value(TableEdge{i, j, find(table, i, j), edge_weight(edge)});
      degree += *out++;
    }
    result.inverse_degree[place] = inverse_degree(degree);
  }
  return result;
}

}  // namespace

float inverse_degree(double degree) {
  const float inverse = degree > 0 ? static_cast<float>(1 / degree) : 0;
  return std::isfinite(inverse) ? inverse : 0;
}

Array<float> squared_scales(Context& context, const KnnTable& table) {
  Array<float> scales(table.rows());
#pragma omp parallel for num_threads(context.thread_count()) schedule(static)
  for (std::size_t i = 0; i < table.rows(); ++i) {
    scales[i] = 2;
    for (std::size_t e = table.k(); e-- > 0;)
      if (table.ids(i, e) != no_node) {
        scales[i] = std::max(least_scale, 2 - 2 * table.similarities(i, e));
        break;
      }
  }
  return scales;
}

EdgeWeights self_tuning_weights(Context& context, const GraphView& graph, const KnnTable& table, double gain) {
  const Array<float> scales = squared_scales(context, table);
  return weigh(context, graph, table, [&](const TableEdge& e) {
    return static_cast<float>(e.multiplicity) * weight(similarity(table, e), scales[e.i], scales[e.j], gain);
  });
}

EdgeWeights listed_weights(Context& context, const GraphView& graph, const KnnTable& table,
                           MatrixView<const float> listed) {
  assert(listed.rows() == table.rows() && listed.cols() == table.k());
  return weigh(context, graph, table, [&](const TableEdge& e) {
    const std::size_t other = find(table, e.j, e.i);
    return (e.own < table.k() ? listed(e.i, e.own) : 0) + (other < table.k() ? listed(e.j, other) : 0);
  });
}

EdgeWeights edge_weights(Context& context, const GraphView& graph, const KnnTable& table, const Weighting& weighting) {
  switch (weighting.kind) {
    case Weighting::Kind::unit:
      return weigh(context, graph, table, [](const TableEdge& e) { return static_cast<float>(e.multiplicity); });
    case Weighting::Kind::cosine:
      return weigh(context, graph, table, [&](const TableEdge& e) {
        return static_cast<float>(e.multiplicity) * cosine_weight(similarity(table, e), weighting.exponent);
      });
    case Weighting::Kind::self_tuning:
      return self_tuning_weights(context, graph, table, weighting.gain);
    case Weighting::Kind::listed:
      return listed_weights(context, graph, table, read_edge_weights(weighting.file, table.rows(), table.k()));
  }
  return {};
}

Matrix<float> self_tuning_weights(Context& context, const KnnTable& queries, std::span<const float> scales,
                                  double gain) {
  const Array<float> own = squared_scales(context, queries);
  Matrix<float> weights(queries.rows(), queries.k());
#pragma omp parallel for num_threads(context.thread_count()) schedule(static)
  for (std::size_t q = 0; q < queries.rows(); ++q)
    for (std::size_t e = 0; e < queries.k(); ++e) {
      const NodeId j = queries.ids(q, e);
      weights(q, e) = j == no_node ? 0 : weight(queries.similarities(q, e), own[q], scales[j], gain);
    }
  return weights;
}

Matrix<float> query_weights(Context& context, const KnnTable& queries, const KnnTable& table,
                            const Weighting& weighting) {
  assert(weighting.kind != Weighting::Kind::listed);
  if (weighting.kind == Weighting::Kind::self_tuning)
    return self_tuning_weights(context, queries, squared_scales(context, table), weighting.gain);
  const bool cosine = weighting.kind == Weighting::Kind::cosine;
  Matrix<float> weights(queries.rows(), queries.k());
#pragma omp parallel for num_threads(context.thread_count()) schedule(static)
  for (std::size_t q = 0; q < queries.rows(); ++q)
    for (std::size_t e = 0; e < queries.k(); ++e)
      weights(q, e) = queries.ids(q, e) == no_node ? 0.0f
                      : cosine                     ? cosine_weight(queries.similarities(q, e), weighting.exponent)
                                                   : 1.0f;
  return weights;
}

}  // namespace lowshot
