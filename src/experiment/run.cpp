// One (nlabeled, seed): the labelled novel rows join the static part, labels diffuse, test rows are scored.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "experiment/full_recipe.h"
#include "experiment/recipe_part.h"
#include "experiment/score_info.h"
#include "experiment/variant_graph.h"
#include "lowshot/error.h"
#include "lowshot/experiment.h"
#include "lowshot/io.h"
#include "lowshot/knn.h"

namespace lowshot {
namespace {

// The nodes of one experiment: static rows, then (unless in-domain, where they are static) the labelled novel rows.
struct Nodes {
  std::vector<std::int32_t> labels;           // one a node
  std::vector<std::uint32_t> protocol_order;  // node of each row of a stored L_t
  KnnTable queries;                           // test rows' neighbours
  Graph own_graph;                            // empty in the in-domain setting
  std::vector<std::uint32_t> labelled_novel;  // the labelled novel rows
  KnnTable table;                             // where edges have weights: what own_graph was made of
};

// Neighbours of the nodes and of the test rows, and the graph; in-domain there are the static ones already.
void join_novel_rows(Context& context, const StaticPart& part, const ExperimentOptions& options, const Split& split,
                     Nodes& nodes) {
  KnnTable queries = {};
  if (options.in_domain) {
    const std::size_t k = part.test_table.k();
    queries = KnnTable::sized(part.test.rows(), k);
    std::memcpy(queries.ids.data(), part.test_table.ids.data(), queries.ids.size() * sizeof(NodeId));
    std::memcpy(queries.similarities.data(), part.test_table.similarities.data(), queries.ids.size() * sizeof(float));
  } else {
    Matrix<float> novel(split.novel_labelled_rows.size(), part.rows.cols());
    for (std::size_t i = 0; i < novel.rows(); ++i)
      std::memcpy(novel.row(i), part.rows.row(part.row_of_train[split.novel_labelled_rows[i]]),
                  novel.cols() * sizeof(float));
    Phase phase(context, "novel rows");
    KnnTable table = extend_knn(context, part.table, part.rows.view().rows(0, part.static_rows), novel, options.knn);
    queries = extend_search_knn(context, part.test_table, part.test, novel, part.static_rows, options.knn);
    drop_negative(table);
    std::vector<NodeId> order = part.order;  // the few new rows come last
    if (!order.empty()) order.insert(order.end(), nodes.labelled_novel.begin(), nodes.labelled_novel.end());
    nodes.own_graph = symmetrise(context, table, {.order = order});
    const bool full = part.recipe && part.recipe->recipe == Recipe::full;
    if (full || !options.variant.standard()) nodes.table = std::move(table);
  }
  drop_negative(queries);
  nodes.queries = std::move(queries);
}

Nodes make_nodes(Context& context, const StaticPart& part, const ExperimentOptions& options, const Split& split) {
  Nodes nodes;
  nodes.labels = part.static_labels;
  for (std::size_t i = 0; i < split.novel_labelled_rows.size(); ++i) {
    const std::uint64_t node =
        options.in_domain ? part.row_of_train[split.novel_labelled_rows[i]] : part.static_rows + i;
    nodes.labels.resize(std::max<std::size_t>(nodes.labels.size(), node + 1));
    nodes.labels[node] = split.novel_labelled_classes[i];
    nodes.labelled_novel.push_back(static_cast<std::uint32_t>(node));
  }
  if (!part.given) join_novel_rows(context, part, options, split, nodes);

  for (const std::uint32_t row : split.base_rows)
    nodes.protocol_order.push_back(static_cast<std::uint32_t>(part.row_of_train[row]));
  nodes.protocol_order.insert(nodes.protocol_order.end(), nodes.labelled_novel.begin(), nodes.labelled_novel.end());
  if (options.in_domain)
    for (const std::uint32_t row : split.novel_unlabelled_rows)
      nodes.protocol_order.push_back(static_cast<std::uint32_t>(part.row_of_train[row]));
  for (std::uint64_t i = 0; i < part.background; ++i) nodes.protocol_order.push_back(static_cast<std::uint32_t>(i));
  return nodes;
}

/// `spread(sink)` hands over the rows of all nodes.
void store_label_matrices(const Nodes& nodes, std::uint32_t classes, std::uint32_t last, const std::string& pattern,
                          const std::function<void(const ScoreSink&)>& spread) {
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

GraphView graph_of(const StaticPart& part, const Nodes& nodes) {
  return part.graph ? part.graph->view() : nodes.own_graph.view();
}

/// Nothing for the method as it is in the paper.
std::optional<VariantGraph> variant_graph(Context& context, const StaticPart& part, const ExperimentOptions& options,
                                          const Split& split, const Nodes& nodes) {
  if (options.variant.standard()) return {};
  Phase phase(context, "edge weights");
  if (part.given)
    return take_from_given(context, part, options.variant.graph.string(),
                           options.in_domain ? std::span<const std::uint32_t>{} : split.novel_labelled_rows);
  return weigh(context, options.variant, graph_of(part, nodes), options.in_domain ? part.table : nodes.table,
               nodes.queries);
}

}  // namespace

RunResult run(Context& context, const StaticPart& part, const ExperimentOptions& options, std::uint32_t nlabeled,
              std::uint32_t seed, const RunOutputs& outputs,
              const std::function<void(const IterationResult&)>& on_iteration) {
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  const Split split = make_split(part.classes, nlabeled, seed);
  const Nodes nodes = make_nodes(context, part, options, split);
  const std::optional<VariantGraph> variant = variant_graph(context, part, options, split, nodes);
  const GraphView graph = variant ? variant->graph : graph_of(part, nodes);
  const std::uint32_t classes = static_cast<std::uint32_t>(part.classes.classes());
  const std::uint32_t last = last_iteration(options);
  const std::size_t tests = part.classes.test_rows.size();

  RunResult result;
  result.nlabeled = nlabeled;
  result.seed = seed;
  result.nodes = graph.nodes();
  result.edges = graph.edges();
  result.classes = classes;
  result.test_rows = tests;
  result.iterations.resize(last + 1);

  std::vector<TopClasses> top;
  for (std::uint32_t t = 0; t <= last; ++t) top.emplace_back(tests);
  std::vector<std::uint32_t> offered(last + 1, 0);
  std::uint32_t reported = 0;
  std::optional<NpyTileWriter> score_file;
  const bool small = part.recipe && part.recipe->recipe == Recipe::small;
  const bool full = part.recipe && part.recipe->recipe == Recipe::full;
  Matrix<float> votes;  // with a recipe: the last read-out of all classes, then its answer
  if (small) votes = Matrix<float>(tests, classes);
  ThreePartModel three;
  if (full) three = full_model(context, *part.recipe, split);
  if (part.recipe) result.recipe = RecipeEvidence{part.recipe->recipe, part.recipe->base, {}};
  if (!outputs.scores.empty()) score_file.emplace(outputs.scores, std::vector<std::uint64_t>{last + 1, tests, classes});

  {
    Phase phase(context, "diffusion");
    const auto sink = [&](std::uint32_t t, std::uint32_t first, MatrixView<const float> scores) {
      top[t].offer(first, scores, context.thread_count());
      if (score_file) score_file->write(t * tests, first, scores);
      if (small && t == last)
        for (std::size_t i = 0; i < tests; ++i)
          std::memcpy(votes.row(i) + first, scores.row(i), scores.cols() * sizeof(float));
      offered[t] += static_cast<std::uint32_t>(scores.cols());
      for (; reported <= last && offered[reported] == classes; ++reported) {
        IterationResult& iteration = result.iterations[reported];
        iteration.iteration = reported;
        iteration.limit = options.variant.solved();
        iteration.accuracy = accuracy(top[reported], part.classes.test_labels, part.classes.is_novel);
        iteration.seconds = elapsed();
        iteration.memory = resident_bytes();
        if (on_iteration) on_iteration(iteration);
      }
    };
    if (full) {
      const auto row = [&](std::size_t i) {
        return i < part.static_rows ? part.rows.row(i)
                                    : part.rows.row(part.row_of_train[split.novel_labelled_rows[i - part.static_rows]]);
      };
      const FullRecipeNodes all{
          graph, options.in_domain ? part.table : nodes.table, nodes.queries, nodes.labels, nodes.labelled_novel, row};
      result.recipe->in_domain = measure_in_domain(all, options.smoothing);
      votes = full_recipe_votes(context, *part.recipe, part.classes, three.plain, all, result.recipe->in_domain,
                                options.diffusion.slice, sink);
    } else if (variant) {
      result.propagation = propagate_to_tests(context, *variant, nodes.labels, classes, options, sink);
    } else {
      diffuse(context, graph, nodes.labels, classes, nodes.queries.ids, options.diffusion, sink);
    }
  }
  if (part.recipe) {
    Phase phase(context, "recipe");
    const double a = full ? result.recipe->in_domain.classifier_share : small_recipe::classifier_share;
    result.recipe->in_domain.classifier_share = a;
    ClassifierScores classifier = [&](const DescriptorView& rows, MatrixView<float> out) {
      three_part_scores(context, part.recipe->three, three, rows, out);
    };
    SoftmaxModel discriminant;
    if (small) {
      discriminant = small_model(context, *part.recipe, split);
      classifier = [&](const DescriptorView& rows, MatrixView<float> out) {
        lda_log_softmax(context, part.recipe->lda.transform, discriminant, rows, out);
      };
    }
    fuse_tests(context, *part.recipe, part.classes, split, a, classifier, votes);
    top[last] = TopClasses(tests, 5, TopClasses::Scores::any_sign);
    top[last].offer(0, votes, context.thread_count());
    result.iterations.push_back({.iteration = last,
                                 .recipe = name(part.recipe->recipe),
                                 .accuracy = accuracy(top[last], part.classes.test_labels, part.classes.is_novel),
                                 .seconds = elapsed(),
                                 .memory = resident_bytes()});
    if (on_iteration) on_iteration(result.iterations.back());
  }
  if (score_file) {
    score_file->commit();
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
  result.unreached_test_rows = top[last].unreached_rows();
  result.top = std::move(top[last]);
  result.seconds = elapsed();
  return result;
}

}  // namespace lowshot
