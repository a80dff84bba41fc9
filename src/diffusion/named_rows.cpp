#include "diffusion/named_rows.h"

#include <algorithm>
#include <vector>

namespace lowshot::diffusion {

std::optional<NamedRows> named_rows(int threads, const GraphView& graph, MatrixView<const NodeId> queries,
                                    std::uint64_t row_bytes, std::uint64_t most_bytes) {
  constexpr NodeId unnamed = no_node;
  Array<NodeId> number(graph.nodes());  // among the rows that are named
  std::fill(number.begin(), number.end(), unnamed);
  for (std::size_t e = 0; e < queries.size(); ++e)
    if (queries.data()[e] != no_node) number[queries.data()[e]] = 0;
  NamedRows named;
  const std::size_t most_rows = std::min(queries.size(), graph.nodes());
  named.places.reserve(most_rows);
  named.offsets.reserve(most_rows + 1);
  std::uint64_t edges = 0;
  for (std::size_t i = 0; i < number.size(); ++i) {
    if (number[i] == unnamed) continue;
    number[i] = static_cast<NodeId>(named.places.size());
    named.places.push_back(static_cast<NodeId>(i));
    named.offsets.push_back(edges);
    edges += graph.row(i).size();
  }
  named.offsets.push_back(edges);
  const std::uint64_t rows = named.places.size();
  const std::uint64_t of_row = sizeof(NodeId) + sizeof(std::uint64_t) + sizeof(float) + row_bytes;
  if (rows * of_row + edges * sizeof(std::uint32_t) + (queries.size() + number.size()) * sizeof(NodeId) > most_bytes)
    return {};
  named.neighbours.resize(edges);
  named.inverse_degree.resize(rows);
  named.queries = Matrix<NodeId>(queries.rows(), queries.cols());
#pragma omp parallel num_threads(threads)
  {
#pragma omp for schedule(static)
    for (std::size_t r = 0; r < rows; ++r) {
      const auto edges_of_row = graph.row(named.places[r]);
      std::copy(edges_of_row.begin(), edges_of_row.end(), named.neighbours.data() + named.offsets[r]);
      named.inverse_degree[r] = graph.inverse_degree[named.places[r]];
    }
#pragma omp for schedule(static)
    for (std::size_t e = 0; e < queries.size(); ++e) {
      const NodeId place = queries.data()[e];
      named.queries.data()[e] = place == no_node ? no_node : number[place];
    }
  }
  return named;
}

}  // namespace lowshot::diffusion
