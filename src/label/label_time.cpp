#include "label/label_time.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <vector>

#include "label/own_answers.h"
#include "label/propagated.h"
#include "lowshot/diffusion_time.h"
#include "lowshot/graph.h"
#include "lowshot/io.h"
#include "lowshot/knn.h"
#include "lowshot/knn_time.h"
#include "lowshot/own_data.h"
#include "lowshot/recipe.h"
#include "lowshot/row_transform.h"

namespace lowshot {
namespace {

// Seconds that an edge, iteration and 16 classes take a thread, roughly: it decides how large a sample is diffused.
constexpr double rough_edge = 2e-9;
constexpr double wanted_seconds = 1;
constexpr std::uint64_t most_nodes = 20000, least_nodes = 2000, most_block_rows = 4096;

// Columns of the hold-out: one a label, or one a class and fold where those are fewer (held_out_scores.cpp).
double hold_out_columns(double labelled, double classes, const LabelOptions& options) {
  const double folded = options.folds * classes;
  return labelled <= std::max(512.0, folded) ? labelled : folded;
}

// Row-steps of a diffusion a node: after t steps some L g^t of n nodes are reached, g being what a step adds.
double row_steps(double labelled, double growth, double nodes, std::uint32_t iterations) {
  double sum = 0, reached = labelled / nodes;
  for (std::uint32_t t = 1; t <= iterations; ++t) sum += std::min(1.0, reached *= growth);
  return sum;
}

// label_nodes on a sample: as many labels, or as many as the sample holds, then of so many classes fewer.
double diffusion_seconds(Context& context, MatrixView<const float> rows, std::uint64_t all_rows, std::uint64_t labelled,
                         std::uint32_t classes, const LabelOptions& options) {
  const std::uint32_t iterations =
      options.propagation ? iterations_tried(options) : options.iterations.value_or(options.most_iterations);
  const double columns = options.propagation
                             ? classes * (options.folds + 1.0)
                             : hold_out_columns(static_cast<double>(labelled), classes, options) + classes;
  const double a_node = rough_edge * 2 * options.k * iterations * std::ceil(columns / 16) / context.thread_count();
  const auto affordable = static_cast<std::uint64_t>(wanted_seconds / a_node);
  const std::uint64_t nodes = std::min(rows.rows(), std::clamp(affordable, least_nodes, most_nodes));
  Matrix<float> sample(nodes, rows.cols());
  for (std::uint64_t i = 0; i < nodes; ++i) std::copy_n(rows.row(rows.rows() * i / nodes), rows.cols(), sample.row(i));

  const std::uint64_t sample_labels = std::max<std::uint64_t>(1, std::min(labelled, nodes / 4));
  const double share = static_cast<double>(sample_labels) / static_cast<double>(std::max<std::uint64_t>(1, labelled));
  const auto sample_classes = static_cast<std::uint32_t>(std::max(1.0, std::round(share * classes)));
  std::vector<std::int32_t> labels(nodes, -1);
  for (std::uint64_t l = 0; l < sample_labels; ++l)
    labels[nodes * l / sample_labels] = static_cast<std::int32_t>(l % sample_classes);

  const KnnTable table = build_knn(context, sample, {.k = options.k, .method = KnnMethod::exact});
  Graph graph;
  const double symmetrise_seconds = seconds_of([&] { graph = symmetrise(context, table); });
  const double seconds = seconds_of([&] {
    if (!options.propagation) {
      label_nodes(context, graph.view(), labels, sample_classes, options);
      return;
    }
    const EdgeWeights weights = edge_weights(context, graph.view(), table, {});
    label_nodes(context, WeightedGraphView(graph.view(), weights), labels, sample_classes, options);
  });
  const double n = static_cast<double>(all_rows), m = static_cast<double>(nodes);
  const double growth = static_cast<double>(graph.view().edges()) / m / 2;  // half of the edges lead to rows reached
  const double steps = options.propagation ? 1                              // every row in every step
                                           : row_steps(static_cast<double>(labelled), growth, n, iterations) /
                                                 row_steps(static_cast<double>(sample_labels), growth, m, iterations);
  return n / m * (symmetrise_seconds + seconds / share * steps * gather_slowdown(context, graph.view(), all_rows));
}

// The classifier's fits, each on as many rows as there will be, and its answers, from a block of them.
double classifier_seconds(Context& context, MatrixView<const float> rows, std::uint64_t all_rows,
                          std::uint64_t labelled, std::uint32_t classes, const LabelOptions& options) {
  const std::uint64_t fitted = std::min(all_rows, options.sample_rows + labelled);
  const std::uint64_t block = std::min<std::uint64_t>(fitted, most_block_rows);
  Matrix<float> z(fitted, rows.cols()), votes(fitted, classes);
  std::vector<std::int32_t> labels(fitted, -1);
  for (std::uint64_t i = 0; i < fitted; ++i) {
    std::copy_n(rows.row(i % rows.rows()), rows.cols(), z.row(i));
    for (std::uint32_t c = 0; c < classes; ++c) votes(i, c) = 1 / static_cast<float>(1 + (31 * i + c) % 97);
    if (i < labelled) labels[i] = static_cast<std::int32_t>(i % classes);
  }
  const RowTransform transform{own_data::exponent, std::vector<float>(rows.cols())};
  Matrix<float> scores(block, classes);
  SoftmaxModel model;
  Matrix<double> products;
  const double once = seconds_of([&] { products = own_data_products(context, z); });
  const double fit = seconds_of([&] { model = own_data_model(context, z, products.view(), labels, votes).classifier; });
  const double answers = seconds_of([&] {
    transform_rows(context, transform, z.view().rows(0, block));
    log_softmax(context, model, DescriptorView(z.view().rows(0, block)), scores);
    fuse(context, votes.view().rows(0, block), {}, own_data::classifier_share, scores);
    softmax_rows(context, scores);
  });
  const std::uint32_t tried = own_iterations_tried(all_rows, labelled, options);
  return once + fit * (1 + tried * options.folds) +
         answers * static_cast<double>(all_rows) / static_cast<double>(block);
}

}  // namespace

TimePlan label_seconds(Context& context, const Collection& collection, const KeepOptions& keep, std::uint64_t labelled,
                       std::uint32_t classes, const LabelOptions& options) {
  Context quiet = context;
  quiet.log = {};
  quiet.progress = {};
  std::vector<std::unique_ptr<RowSource>> shards;
  for (const fs::path& shard : collection.shards) shards.push_back(open_rows(shard, keep.raw_dim));
  const auto source = concatenate_rows(std::move(shards));
  const std::uint64_t size = knn_sample_rows(context, collection.rows, collection.dim);
  Matrix<float> rows;
  const double reading = seconds_of([&] {
    rows = read_sample(*source, size);
    normalise_rows(rows);
  });
  const double n = static_cast<double>(collection.rows);
  TimePlan plan;
  const std::uint64_t memory = context.memory_limit != 0 ? context.memory_limit : available_bytes();
  const auto streamed = plan_streamed_graph(collection, keep, memory);
  const bool own = options.recipe != LabelRecipe::graph;
  const double passes = (streamed ? streamed->passes + 1 : 1) + (own ? 2 : 0);
  plan.add("reading", passes * reading * n / static_cast<double>(std::max<std::uint64_t>(size, 1)));
  const KnnRates rates = measure_knn(quiet, rows, stored_options(keep.knn), collection.rows);
  plan.add("graph", streamed ? search_streamed_seconds(rates, *streamed, collection.rows)
                             : build_knn_seconds(rates, collection.rows));
  if (streamed) plan.add("scratch files", scratch_seconds(*streamed, {.scratch = keep.work}));
  plan.add("diffusion", diffusion_seconds(quiet, rows, collection.rows, labelled, classes, options));
  if (own) plan.add("classifier", classifier_seconds(quiet, rows, collection.rows, labelled, classes, options));
  return plan;
}

}  // namespace lowshot
