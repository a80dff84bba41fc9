#include "experiment/experiment_nodes.h"

#include <algorithm>
#include <cstring>

#include "lowshot/knn.h"

namespace lowshot {
namespace {

// Neighbours of the nodes and of the test rows, and the graph.
void join_novel_rows(Context& context, const StaticPart& part, const ExperimentOptions& options, const Split& split,
                     ExperimentNodes& nodes) {
  Matrix<float> novel(split.novel_labelled_rows.size(), part.rows.cols());
  for (std::size_t i = 0; i < novel.rows(); ++i)
    std::memcpy(novel.row(i), part.rows.row(part.row_of_train[split.novel_labelled_rows[i]]),
                novel.cols() * sizeof(float));
  Phase phase(context, "novel rows");
  KnnTable table = extend_knn(context, part.table, part.rows.view().rows(0, part.static_rows), novel, options.knn);
  nodes.queries = extend_search_knn(context, part.test_table, part.test, novel, part.static_rows, options.knn);
  drop_negative(table);
  std::vector<NodeId> order = part.order;  // the few new rows come last
  if (!order.empty()) order.insert(order.end(), nodes.labelled_novel.begin(), nodes.labelled_novel.end());
  nodes.own_graph = symmetrise(context, table, {.order = order});
  const bool full = part.recipe && part.recipe->recipe == Recipe::full;
  if (full || !options.variant.standard()) nodes.table = std::move(table);
}

}  // namespace

ExperimentNodes make_nodes(Context& context, const StaticPart& part, const ExperimentOptions& options,
                           const Split& split) {
  ExperimentNodes nodes;
  nodes.labels = part.static_labels;
  for (std::size_t i = 0; i < split.novel_labelled_rows.size(); ++i) {
    const std::uint64_t node =
        options.in_domain ? part.row_of_train[split.novel_labelled_rows[i]] : part.static_rows + i;
    nodes.labels.resize(std::max<std::size_t>(nodes.labels.size(), node + 1));
    nodes.labels[node] = split.novel_labelled_classes[i];
    nodes.labelled_novel.push_back(static_cast<std::uint32_t>(node));
  }
  if (!part.given) {
    if (options.in_domain)
      nodes.queries = first_columns(part.test_table, part.test_table.k());
    else
      join_novel_rows(context, part, options, split, nodes);
    drop_negative(nodes.queries);
  }

  for (const std::uint32_t row : split.base_rows)
    nodes.protocol_order.push_back(static_cast<std::uint32_t>(part.row_of_train[row]));
  nodes.protocol_order.insert(nodes.protocol_order.end(), nodes.labelled_novel.begin(), nodes.labelled_novel.end());
  if (options.in_domain)
    for (const std::uint32_t row : split.novel_unlabelled_rows)
      nodes.protocol_order.push_back(static_cast<std::uint32_t>(part.row_of_train[row]));
  for (std::uint64_t i = 0; i < part.background; ++i) nodes.protocol_order.push_back(static_cast<std::uint32_t>(i));
  return nodes;
}

GraphView graph_of(const StaticPart& part, const ExperimentNodes& nodes) {
  return part.graph ? part.graph->view() : nodes.own_graph.view();
}

const KnnTable& table_of(const StaticPart& part, const ExperimentNodes& nodes) {
  return part.graph ? part.table : nodes.table;
}

}  // namespace lowshot
