#include "experiment/variant_graph.h"

#include <fmt/format.h>

#include <algorithm>

#include "experiment/descriptors.h"
#include "lowshot/error.h"
#include "lowshot/sparse_matrix.h"
#include "lowshot/weighted_diffusion.h"

namespace lowshot {

VariantGraph weigh(Context& context, const Variant& variant, const GraphView& graph, const KnnTable& table,
                   const KnnTable& queries) {
  const Matrix<float> weights = query_weights(context, queries, table, variant.weighting);
  return {.own = {},
          .graph = graph,
          .weights = edge_weights(context, graph, table, variant.weighting),
          .queries = sparse_rows(context, queries, weights, graph.nodes())};
}

VariantGraph take_from_given(Context& context, const StaticPart& part, const std::string& name,
                             std::span<const std::uint32_t> novel_rows) {
  const SparseMatrix& given = *part.given;
  const std::uint64_t first_train = part.background, train_rows = part.row_of_train.size();
  std::vector<std::uint64_t> image(part.static_rows + novel_rows.size());  // of each node
  for (std::uint64_t i = 0; i < part.background; ++i) image[i] = i;
  for (std::uint64_t r = 0; r < train_rows; ++r)
    if (part.row_of_train[r] != nowhere && part.row_of_train[r] < part.static_rows)
      image[part.row_of_train[r]] = first_train + r;
  for (std::size_t i = 0; i < novel_rows.size(); ++i) image[part.static_rows + i] = first_train + novel_rows[i];
  std::vector<NodeId> node(given.cols, no_node);
  for (std::size_t i = 0; i < image.size(); ++i) node[image[i]] = static_cast<NodeId>(i);
  std::vector<std::uint64_t> tests;
  for (const std::uint32_t row : part.classes.test_rows) tests.push_back(first_train + train_rows + row);

  WeightedGraph graph = weighted_graph(context, submatrix(context, given, image, node, image.size()), name);
  VariantGraph result{.own = std::move(graph.graph),
                      .graph = {},
                      .weights = std::move(graph.weights),
                      .queries = submatrix(context, given, tests, node, image.size())};
  result.graph = result.own.view();
  return result;
}

void require_variant(const ExperimentOptions& options, std::uint64_t images) {
  const Variant& variant = options.variant;
  require_consistent(variant);
  if (options.recipe != Recipe::paper && !variant.standard())
    throw Error(ErrorKind::usage, fmt::format("the recipe {} has its own graph and propagation", name(options.recipe)),
                describe(variant), "leave the recipe out, or the others");
  if (variant.weighting.kind == Weighting::Kind::listed)
    throw Error(ErrorKind::usage,
                fmt::format("'{}' is none of unit, cosine:G and selftuning, and a file of weights would belong to one "
                            "neighbour table, where every experiment makes its own from its split",
                            variant.weighting.file.string()),
                "--weights", "weights of your own for all images come as a matrix, with --graph");
  if (!variant.given_graph()) return;
  const SparseSize size = sparse_npz_size(variant.graph);
  if (size.rows != images || size.cols != images)
    throw Error(ErrorKind::input,
                fmt::format("expected a row and a column for each of {} images ({} of the background, then those of "
                            "train.hdf5, then those of val.hdf5) and found {} x {}",
                            images, options.background_rows, size.rows, size.cols),
                variant.graph.string(), "see docs/files.md, or mend --nbg");
}

PropagationOptions propagation_of(const ExperimentOptions& options) {
  PropagationOptions propagation = options.variant.propagation;
  propagation.iterations = options.diffusion.iterations;
  propagation.slice = options.diffusion.slice;
  return propagation;
}

std::uint32_t last_iteration(const ExperimentOptions& options) {
  return options.variant.solved() ? 0 : options.diffusion.iterations;
}

PropagationReport propagate_to_tests(Context& context, const VariantGraph& graph, std::span<const std::int32_t> labels,
                                     std::uint32_t classes, const ExperimentOptions& options, const ScoreSink& sink) {
  return propagate(context, graph.view(), labels, classes, propagation_of(options),
                   [&](std::uint32_t t, std::uint32_t first, MatrixView<const float> f) {
                     sink(t, first, read_out_weighted(context, f, graph.queries));
                   });
}

std::uint64_t variant_memory(std::uint64_t nodes, std::uint64_t test_rows, std::uint32_t classes,
                             const ExperimentOptions& options) {
  const PropagationOptions propagation = propagation_of(options);
  const std::uint64_t width = std::min(propagation.slice == 0 ? 64 : propagation.slice, classes);
  const std::uint64_t steps = propagation_memory(nodes, classes, propagation) + test_rows * width * sizeof(float);
  const std::uint64_t degrees = nodes * sizeof(float);
  if (!options.variant.given_graph())
    return steps + degrees +
           (2 * nodes + 3 * test_rows) * options.knn.k * sizeof(float);  // at most two entries an edge
  const SparseSize size = sparse_npz_size(options.variant.graph);
  const std::uint64_t whole = sparse_matrix_memory({nodes, nodes, size.entries});
  return whole + std::max(weighted_graph_memory(nodes, size.entries),
                          2 * whole + degrees + steps + sparse_matrix_memory({test_rows, nodes, size.entries}));
}

}  // namespace lowshot
