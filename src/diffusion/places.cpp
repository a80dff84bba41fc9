#include "diffusion/places.h"

#include <fmt/format.h>

#include <algorithm>

#include "lowshot/error.h"

namespace lowshot::diffusion {

void require_labels(int threads, const GraphView& graph, std::span<const std::int32_t> labels, std::uint32_t classes) {
  if (labels.size() != graph.nodes())
    throw Error(ErrorKind::input, fmt::format("{} labels for a graph of {} nodes", labels.size(), graph.nodes()));
  if (classes == 0) throw Error(ErrorKind::input, "diffusion needs at least one class");
  std::size_t bad = labels.size();
#pragma omp parallel for num_threads(threads) schedule(static) reduction(min : bad)
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] < -1 || labels[i] >= static_cast<std::int64_t>(classes)) bad = std::min(bad, i);
  if (bad != labels.size())
    throw Error(ErrorKind::input,
                fmt::format("node {} has class {}, classes are 0 to {}", bad, labels[bad], classes - 1));
}

void require_queries(int threads, const GraphView& graph, MatrixView<const NodeId> queries) {
  const NodeId* ids = queries.data();
  std::size_t bad = queries.size();
#pragma omp parallel for num_threads(threads) schedule(static) reduction(min : bad)
  for (std::size_t e = 0; e < queries.size(); ++e)
    if (ids[e] != no_node && ids[e] >= graph.nodes()) bad = std::min(bad, e);
  if (bad != queries.size())
    throw Error(ErrorKind::input,
                fmt::format("query {} names node {} of {}", bad / queries.cols(), ids[bad], graph.nodes()));
}

Array<std::int32_t> labels_of_places(int threads, const GraphView& graph, std::span<const std::int32_t> labels) {
  Array<std::int32_t> placed(labels.size());
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t i = 0; i < placed.size(); ++i) placed[i] = labels[graph.order.empty() ? i : graph.order[i]];
  return placed;
}

Matrix<NodeId> queries_of_places(int threads, const GraphView& graph, MatrixView<const NodeId> queries) {
  Matrix<NodeId> placed(queries.rows(), queries.cols());
  Array<NodeId> place(graph.order.size());
#pragma omp parallel num_threads(threads)
  {
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < place.size(); ++i) place[graph.order[i]] = static_cast<NodeId>(i);
#pragma omp for schedule(static)
    for (std::size_t e = 0; e < queries.size(); ++e) {
      const NodeId node = queries.data()[e];
      placed.data()[e] = node == no_node || place.empty() ? node : place[node];
    }
  }
  return placed;
}

}  // namespace lowshot::diffusion
