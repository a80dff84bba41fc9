#include "label/propagated.h"

#include <algorithm>
#include <vector>

#include "lowshot/hold_out.h"

namespace lowshot {
namespace {

constexpr std::uint32_t most_of_a_limit = 20;

bool solved(const LabelOptions& options) {
  return options.propagation->solver == Solver::conjugate_gradients;
}

PropagationOptions propagation_of(const LabelOptions& options, std::uint32_t iterations, std::uint32_t read_from) {
  PropagationOptions propagation = *options.propagation;
  propagation.iterations = iterations;
  propagation.read_from = read_from;
  propagation.slice = options.slice;
  return propagation;
}

/// The best class of a node so far, and the sums that make shares of its scores.
struct Tally {
  double total = 0, best = 0, own = 0;
  std::int32_t predicted = -1;

  void add(std::int32_t first_class, std::span<const float> scores, std::int32_t given) {
    for (const float score : scores) {
      total += score;
      if (score > best) best = score, predicted = first_class;
      if (first_class++ == given) own = score;
    }
  }
};

}  // namespace

std::uint32_t iterations_tried(const LabelOptions& options) {
  if (solved(options)) return 1;
  const bool diffusion = options.propagation->method == Propagation::diffusion;
  return options.iterations.value_or(diffusion ? options.most_iterations : most_of_a_limit);
}

HeldOutScores hold_out_propagated(Context& context, const WeightedGraphView& graph,
                                  std::span<const std::int32_t> labels, std::uint32_t classes,
                                  const LabelOptions& options) {
  HeldOutScores result;
  result.iterations = iterations_tried(options);
  result.repeats = 1;
  std::vector<std::int32_t> given;
  for (const std::int32_t c : labels)
    if (c >= 0) given.push_back(c);
  const Matrix<std::uint8_t> folds = stratified_folds(given, classes, options.folds, 1, options.seed);
  std::vector<std::uint8_t> fold_of_node;  // of result.nodes
  for (std::size_t node = 0, i = 0; node < labels.size(); ++node) {
    if (labels[node] < 0) continue;
    const std::uint8_t fold = folds(0, i++);
    if (fold == never_held_out) {
      result.unchecked_classes.push_back(labels[node]);
      continue;
    }
    result.nodes.push_back(static_cast<std::uint32_t>(node));
    result.given.push_back(labels[node]);
    fold_of_node.push_back(fold);
  }
  std::sort(result.unchecked_classes.begin(), result.unchecked_classes.end());

  const std::size_t rows = result.nodes.size();
  std::vector<Tally> tallies(result.iterations * rows);
  for (std::uint32_t fold = 0; fold < options.folds; ++fold) {
    std::vector<std::int32_t> others(labels.begin(), labels.end());
    bool any = false;
    for (std::size_t i = 0; i < rows; ++i)
      if (fold_of_node[i] == fold) others[result.nodes[i]] = -1, any = true;
    if (!any) continue;
    propagate(context, graph, others, classes, propagation_of(options, result.iterations, 1),
              [&](std::uint32_t t, std::uint32_t first, MatrixView<const float> f) {
                const std::size_t block = (std::max(t, 1u) - 1) * rows;  // a solution is handed over as t = 0
                for (std::size_t i = 0; i < rows; ++i)
                  if (fold_of_node[i] == fold)
                    tallies[block + i].add(static_cast<std::int32_t>(first), f.row_span(result.nodes[i]),
                                           result.given[i]);
              });
  }
  for (const Tally& t : tallies) {
    const auto share = [&](double score) { return t.total > 0 ? static_cast<float>(score / t.total) : 0.0f; };
    result.answers.push_back({t.predicted, share(t.best), share(t.own), static_cast<float>(t.total)});
  }
  return result;
}

PropagationReport propagate_from_all(Context& context, const WeightedGraphView& graph,
                                     std::span<const std::int32_t> labels, std::uint32_t classes,
                                     const LabelOptions& options, std::uint32_t iteration, const ScoreSink& sink) {
  return propagate(context, graph, labels, classes, propagation_of(options, iteration, iteration), sink);
}

std::uint64_t propagated_memory(std::uint64_t nodes, std::uint64_t labelled, std::uint32_t classes,
                                const LabelOptions& options) {
  const std::uint64_t answer = (sizeof(std::int32_t) + sizeof(float)) * options.top + sizeof(float) + sizeof(RowStatus);
  const std::uint64_t shares = nodes * std::min(options.slice == 0 ? 64u : options.slice, classes) * sizeof(float);
  const std::uint64_t held_out = iterations_tried(options) * labelled * (sizeof(Tally) + sizeof(HeldOutAnswer));
  return propagation_memory(nodes, classes, propagation_of(options, 1, 1)) +
         nodes * (answer + 2 * sizeof(std::int32_t)) + shares + held_out;
}

}  // namespace lowshot
