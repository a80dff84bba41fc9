#include "label/choice.h"

#include <algorithm>
#include <cmath>

#include "label/own_answers.h"
#include "label/propagated.h"
#include "label/redrawn_labels.h"
#include "lowshot/hold_out.h"

namespace lowshot {
namespace {

double held_out_accuracy(const HeldOutScores& scores, std::uint32_t iteration) {
  std::uint64_t right = 0;
  for (std::uint32_t r = 0; r < scores.repeats; ++r) {
    const auto answers = scores.at(iteration, r);
    for (std::size_t i = 0; i < answers.size(); ++i) right += answers[i].predicted == scores.given[i] ? 1 : 0;
  }
  const double asked = static_cast<double>(scores.repeats) * static_cast<double>(scores.nodes.size());
  return asked > 0 ? static_cast<double>(right) / asked : 0;
}

std::uint32_t best_iteration(std::span<const double> accuracy) {
  return static_cast<std::uint32_t>(std::max_element(accuracy.begin(), accuracy.end()) - accuracy.begin()) + 1;
}

// Of the graph alone where nothing can be held out. One label a class, share of right ones, %, at 3, 5, 7, 10 and 15
// iterations: 41.9, 47.0, 48.2, 47.4 and 44.0 (100 classes, means of three draws), 62.5, 68.1, 68.8, 66.8 and 62.7 (30
// of them, two draws), 72.2, 76.9, 78.3, 79.2 and 76.5 (10, two draws); of 64 of the dimensions 41.8, 46.6, 47.9, 47.4
// and 44.6.
constexpr std::uint32_t unchecked_iterations = 7;

// Held-out rows say it where they are many and of all classes, redrawn labels where they are not. `enough`: where the
// two are about as far off: the temperature of N held-out rows by .8 / sqrt(N), that of one redrawn label a class,
// which is fewer than there are, by a fifth.
double own_temperature(Context& context, const GraphView& graph, const OwnRows& rows, const HeldOutScores& held,
                       const OwnHoldOut& own_held, MatrixView<const float> scores, double scale,
                       const LabelOptions& options) {
  constexpr double enough = 16, sure = 0.85;
  const double checked = static_cast<double>(held.nodes.size());
  const double weight = (1 - unchecked_share(held)) * checked / (checked + enough);
  const double held_out = own_held.temperature[own_held.iteration - 1];
  if (weight > sure) return held_out;
  const double redrawn = redrawn_temperature(context, graph, rows, scores, scale, own_held.iteration, options);
  return std::exp(weight * std::log(held_out) + (1 - weight) * std::log(redrawn));
}

bool graph_is_better(const HeldOutScores& graph, std::uint32_t graph_at, const HeldOutScores& own,
                     std::uint32_t own_at) {
  std::uint64_t only_graph = 0, only_own = 0;
  const auto a = graph.at(graph_at, 0), b = own.at(own_at, 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    const bool graph_right = a[i].predicted == graph.given[i], own_right = b[i].predicted == graph.given[i];
    only_graph += graph_right && !own_right ? 1 : 0;
    only_own += own_right && !graph_right ? 1 : 0;
  }
  return clearly_better(only_graph, only_own);
}

}  // namespace

ChosenRecipe hold_out_and_choose(Context& context, const GraphView& graph, const WeightedGraphView* weighted,
                                 std::span<const std::int32_t> labels, std::uint32_t classes,
                                 const LabelOptions& options, RowSource* rows, HoldOut& summary) {
  ChosenRecipe choice;
  OwnRows own_rows;
  FoldVotes votes;
  const std::uint32_t most = weighted != nullptr ? iterations_tried(options)
                                                 : std::max(options.iterations.value_or(options.most_iterations), 1u);
  const bool own = rows != nullptr && options.recipe != LabelRecipe::graph;
  if (own) {
    own_rows = gather_own_rows(context, *rows, labels, options.sample_rows);
    const auto labelled = static_cast<std::uint64_t>(own_rows.nodes.size() - own_rows.sample.size());
    votes.first_iteration = first_own_iteration(graph.nodes(), labelled, options);
  }
  const Phase phase(context, "hold-out");
  choice.held = weighted != nullptr
                    ? hold_out_propagated(context, *weighted, labels, classes, options)
                    : hold_out(context, graph, labels, classes, options, most, own_rows.sample, own ? &votes : nullptr);
  const HeldOutScores& held = choice.held;
  summary.checked_rows = held.nodes.size();
  summary.unchecked_classes = held.unchecked_classes;
  for (std::uint32_t t = 1; t <= most; ++t) summary.accuracy_by_iteration.push_back(held_out_accuracy(held, t));
  // Without a single held-out row nothing can be compared: of what comes to a limit the most (one label a class, 50,000
  // CIFAR rows: restart 43.7 % right at 3, 47.9 at 20, clamping 40.7 and 47.8).
  const bool to_a_limit = weighted != nullptr && options.propagation->method != Propagation::diffusion;
  const std::uint32_t graph_at = options.iterations.value_or(
      !held.nodes.empty() ? moved_for_unchecked(held, best_iteration(summary.accuracy_by_iteration), most)
      : to_a_limit        ? most
                          : unchecked_iterations);
  summary.recipe = LabelRecipe::graph;
  summary.iterations = graph_at;
  summary.accuracy = held.nodes.empty() ? 0 : summary.accuracy_by_iteration[graph_at - 1];
  if (own) {
    OwnHoldOut own_held = own_hold_out(context, own_rows, votes, held, classes);
    summary.own_accuracy = own_held.accuracy;
    summary.own_loss = own_held.log_loss;
    const std::uint32_t own_at = own_held.iteration;
    OwnDataModel model = own_model(context, own_rows, votes, own_at, classes);
    Matrix<float> scores = own_sample_scores(context, own_rows, votes, model.classifier, own_at);
    const double temperature = own_temperature(context, graph, own_rows, held, own_held, scores, model.scale, options);
    ClassPriors priors = own_priors(own_rows, std::move(scores), temperature, options);
    std::vector<float> offset = prior_offsets(priors.shares, std::vector<double>(classes, 1.0 / classes));
    Matrix<float> logs;
    if (!held.nodes.empty()) logs = std::move(own_held.logs[own_at - votes.first_iteration]);
    HeldOutScores answers = own_held_out_answers(context, held, std::move(logs), temperature, offset, own_at);
    if (options.recipe == LabelRecipe::own || !graph_is_better(held, graph_at, answers, own_at)) {
      summary.recipe = LabelRecipe::own;
      summary.iterations = own_at;
      summary.accuracy = held_out_accuracy(answers, own_at);
      summary.temperature = temperature;
      summary.priors = std::move(priors);
      choice.held = std::move(answers);
      choice.transform = std::move(own_rows.transform);
      choice.model = std::move(model.classifier);
      choice.offset = std::move(offset);
    }
  }
  const Interval interval = wilson_interval(summary.accuracy, summary.checked_rows);
  summary.low = interval.low;
  summary.high = interval.high;
  return choice;
}

}  // namespace lowshot
