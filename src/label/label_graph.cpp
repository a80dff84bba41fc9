#include "label/label_graph.h"

#include <fmt/format.h>

#include <algorithm>

#include "lowshot/error.h"

namespace lowshot {
namespace {

void require_size(const SparseSize& size, std::uint64_t rows, const std::filesystem::path& file) {
  if (size.rows == rows && size.cols == rows) return;
  throw Error(ErrorKind::input,
              fmt::format("expected a row and a column for each of {} descriptors and found {} x {}", rows, size.rows,
                          size.cols),
              file.string(), "rows of --add and --labelled come behind the others");
}

}  // namespace

WeightedGraph weighted_label_graph(Context& context, const KnnTable& table, std::uint32_t k,
                                   std::span<const NodeId> order, const Weighting& weighting) {
  const KnnTable first = first_columns(table, k);
  WeightedGraph graph;
  graph.graph = symmetrise(context, first, {.order = order});
  graph.weights = edge_weights(context, graph.graph.view(), first, weighting);
  return graph;
}

std::uint64_t weighted_label_graph_memory(std::uint64_t rows, std::uint32_t k) {
  const std::uint64_t columns = rows * k * (sizeof(NodeId) + sizeof(float));
  const std::uint64_t listed = rows * k * sizeof(float);
  return columns + listed + 2 * rows * k * sizeof(float) + rows * sizeof(float);  // at most two entries an edge
}

WeightedGraph given_label_graph(Context& context, const std::filesystem::path& file, std::uint64_t rows) {
  const SparseMatrix matrix = read_sparse_npz(file);
  require_size({matrix.rows, matrix.cols, matrix.columns.size()}, rows, file);
  return weighted_graph(context, matrix, file.string());
}

std::uint64_t given_label_graph_memory(const std::filesystem::path& file, std::uint64_t rows) {
  const SparseSize size = sparse_npz_size(file);
  require_size(size, rows, file);
  return std::max(read_sparse_npz_memory(size),
                  sparse_matrix_memory(size) + weighted_graph_memory(size.rows, size.entries));
}

}  // namespace lowshot
