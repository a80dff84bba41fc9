// One (nlabeled, seed): the labelled novel rows join the static part, labels diffuse, test rows are scored.
#include <fmt/format.h>

#include <cstring>

#include "experiment/experiment_nodes.h"
#include "experiment/read_outs.h"
#include "experiment/recipe_run.h"
#include "experiment/score_info.h"
#include "experiment/variant_graph.h"
#include "lowshot/error.h"
#include "lowshot/experiment.h"
#include "lowshot/io.h"

namespace lowshot {
namespace {

/// `spread(sink)` hands over the rows of all nodes.
void store_label_matrices(const ExperimentNodes& nodes, std::uint32_t classes, std::uint32_t last,
                          const std::string& pattern, const std::function<void(const ScoreSink&)>& spread) {
  const std::size_t at = pattern.find("%d");
  std::vector<NpyTileWriter> files;
  for (std::uint32_t t = 0; t <= last; ++t)
    files.emplace_back(pattern.substr(0, at) + std::to_string(t) + pattern.substr(at + 2),
                       std::vector<std::uint64_t>{nodes.labels.size(), classes});
  Matrix<float> ordered;
  spread([&](std::uint32_t t, std::uint32_t first, MatrixView<const float> l) {
    if (ordered.cols() < l.cols()) ordered = Matrix<float>(l.rows(), l.cols());
    const MatrixView<float> rows(ordered.data(), l.rows(), l.cols());
    for (std::size_t i = 0; i < l.rows(); ++i)
      std::memcpy(rows.row(i), l.row(nodes.protocol_order[i]), l.cols() * sizeof(float));
    files[t].write(0, first, rows);
  });
  for (NpyTileWriter& file : files) file.commit();
}

/// Nothing for the method as it is in the paper.
std::optional<VariantGraph> variant_graph(Context& context, const StaticPart& part, const ExperimentOptions& options,
                                          const Split& split, const ExperimentNodes& nodes) {
  if (options.variant.standard()) return {};
  Phase phase(context, "edge weights");
  if (part.given)
    return take_from_given(context, part, options.variant.graph.string(),
                           options.in_domain ? std::span<const std::uint32_t>{} : split.novel_labelled_rows);
  return weigh(context, options.variant, graph_of(part, nodes), table_of(part, nodes), nodes.queries);
}

}  // namespace

RunResult run(Context& context, const StaticPart& part, const ExperimentOptions& options, std::uint32_t nlabeled,
              std::uint32_t seed, const RunOutputs& outputs,
              const std::function<void(const IterationResult&)>& on_iteration) {
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  const Split split = make_split(part.classes, nlabeled, seed);
  const ExperimentNodes nodes = make_nodes(context, part, options, split);
  const std::optional<VariantGraph> variant = variant_graph(context, part, options, split, nodes);
  const GraphView graph = variant ? variant->graph : graph_of(part, nodes);
  const std::uint32_t classes = static_cast<std::uint32_t>(part.classes.classes());
  const std::uint32_t last = last_iteration(options);

  RunResult result;
  result.nlabeled = nlabeled;
  result.seed = seed;
  result.nodes = graph.nodes();
  result.edges = graph.edges();
  result.classes = classes;
  result.test_rows = part.classes.test_rows.size();
  const auto report = [&](std::uint32_t t, const std::string& recipe, const TopClasses& top) {
    result.iterations.push_back({.iteration = t,
                                 .recipe = recipe,
                                 .accuracy = accuracy(top, part.classes.test_labels, part.classes.is_novel),
                                 .limit = options.variant.solved(),
                                 .seconds = elapsed(),
                                 .memory = resident_bytes()});
    if (on_iteration) on_iteration(result.iterations.back());
  };

  ReadOuts read_outs({last, result.test_rows, classes}, context.thread_count(), outputs.scores,
                     [&](std::uint32_t t, const TopClasses& top) { report(t, "", top); });
  std::optional<RecipeRun> recipe;
  if (part.recipe) recipe.emplace(context, part, options, split);
  {
    Phase phase(context, "diffusion");
    const ScoreSink sink = [&](std::uint32_t t, std::uint32_t first, MatrixView<const float> scores) {
      read_outs.take(t, first, scores);
    };
    if (recipe)
      recipe->diffuse(graph, nodes, sink);
    else if (variant)
      result.propagation = propagate_to_tests(context, *variant, nodes.labels, classes, options, sink);
    else
      diffuse(context, graph, nodes.labels, classes, nodes.queries.ids, options.diffusion, sink);
  }
  result.top = read_outs.take_last();
  if (recipe) {
    Phase phase(context, "recipe");
    result.top = recipe->answer();
    result.recipe = recipe->evidence();
    report(last, name(part.recipe->recipe), *result.top);
  }
  read_outs.commit();
  if (!outputs.scores.empty()) {
    ScoreInfo info = score_info(part.classes, ScoreKind::diffusion, nlabeled, seed);
    for (std::uint32_t t = 0; t <= last; ++t) info.iterations.push_back(t);
    write_score_info(outputs.scores, info);
  }
  if (!outputs.label_matrix_pattern.empty()) {
    Phase phase(context, "label matrices");
    store_label_matrices(nodes, classes, last, outputs.label_matrix_pattern, [&](const ScoreSink& sink) {
      if (variant)
        propagate(context, variant->view(), nodes.labels, classes, propagation_of(options), sink);
      else
        diffuse_all_nodes(context, graph, nodes.labels, classes, options.diffusion, sink);
    });
  }
  result.unreached_test_rows = result.top->unreached_rows();
  result.seconds = elapsed();
  return result;
}

}  // namespace lowshot
