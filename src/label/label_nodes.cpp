// Labels of a few nodes -> labels and confidences of all: hold out, choose, answer, read out what can be trusted.
#include <algorithm>
#include <vector>

#include "label/answers.h"
#include "label/choice.h"
#include "label/held_out_scores.h"
#include "label/own_answers.h"
#include "label/propagated.h"
#include "label/suspects.h"
#include "label/threshold_table.h"
#include "lowshot/error.h"
#include "lowshot/label.h"
#include "lowshot/typicality.h"

namespace lowshot {

std::uint64_t label_nodes_memory(std::uint64_t nodes, std::uint64_t labelled, std::uint32_t dim, std::uint32_t classes,
                                 const LabelOptions& options) {
  const DiffusionOptions diffusion{.iterations = options.iterations.value_or(options.most_iterations),
                                   .slice = options.slice};
  if (options.propagation) return propagated_memory(nodes, labelled, classes, options);
  const std::uint64_t answer = (sizeof(std::int32_t) + sizeof(float)) * options.top + sizeof(float) + sizeof(RowStatus);
  const bool own = dim != 0 && options.recipe != LabelRecipe::graph;
  const std::uint64_t asked = std::min(nodes, labelled + (own ? options.sample_rows : 0));
  const std::uint64_t hold_out = diffuse_memory(nodes, asked, classes, diffusion) +
                                 hold_out_memory(labelled, classes, options) +
                                 (own ? own_hold_out_memory(nodes, labelled, dim, classes, options) : 0);
  const std::uint64_t queries = own ? (nodes + options.parts - 1) / options.parts : nodes;
  const std::uint64_t answers = diffuse_memory(nodes, queries, classes, diffusion) +
                                nodes * (answer + sizeof(NodeId) + sizeof(float)) +
                                (own ? own_answers_memory(nodes, dim, classes, options) : 0);
  return std::max(hold_out, answers);
}

namespace {

// The mass that reached each node -> its rank among the held-out ones, or among all where there are none.
void rank_typicality(const HeldOutScores& held, std::uint32_t iteration, LabelResult& result) {
  std::vector<float> masses;
  for (std::uint32_t r = 0; r < held.repeats; ++r)
    for (const HeldOutAnswer& answer : held.at(iteration, r)) masses.push_back(answer.mass);
  for (std::size_t i = 0; i < held.nodes.size(); ++i) {
    float sum = 0;
    for (std::uint32_t r = 0; r < held.repeats; ++r) sum += held.at(iteration, r)[i].mass;
    result.typicality[held.nodes[i]] = sum / static_cast<float>(held.repeats);
  }
  if (masses.empty()) masses = result.typicality;
  const Typicality rank(std::move(masses));
  for (float& t : result.typicality) t = rank(t);
}

LabelResult label_all(Context& context, const GraphView& graph, const WeightedGraphView* weighted,
                      std::span<const std::int32_t> labels, std::uint32_t classes, const LabelOptions& options,
                      RowSource* rows, const ShareSink& share_sink) {
  const std::size_t n = graph.nodes();
  if (std::none_of(labels.begin(), labels.end(), [](std::int32_t c) { return c >= 0; }))
    throw Error(ErrorKind::input, "no row has a label", "", "give at least one label a class");
  LabelResult result;
  HoldOut& summary = result.hold_out;
  ChosenRecipe choice = hold_out_and_choose(context, graph, weighted, labels, classes, options, rows, summary);
  const HeldOutScores& held = choice.held;
  if (options.unknown && held.nodes.empty())
    throw Error(ErrorKind::input, "every class has a single label, so none can be held out to say what is typical", "",
                "give some class a second label, or leave --unknown out");

  result.classes = Matrix<std::int32_t>(n, options.top);
  result.confidences = Matrix<float>(n, options.top);
  result.typicality.resize(n);
  result.status.resize(n);
  if (summary.recipe == LabelRecipe::own)
    answer_by_both(context, graph, labels, options, summary, choice, *rows, result, share_sink);
  else if (weighted != nullptr)
    answer_by_graph(
        context,
        [&](const ScoreSink& sink) {
          result.propagation =
              propagate_from_all(context, *weighted, labels, classes, options, summary.iterations, sink);
        },
        options, result, share_sink);
  else
    answer_by_graph(context, diffused_scores(context, graph, labels, classes, options, summary.iterations), options,
                    result, share_sink);
  for (std::size_t i = 0; i < n; ++i)
    if (labels[i] >= 0) result.status[i] = RowStatus::given;
  rank_typicality(held, summary.iterations, result);
  if (options.unknown)
    for (std::size_t i = 0; i < n; ++i)
      if (labels[i] < 0 && result.typicality[i] < *options.unknown) result.status[i] = RowStatus::unknown;

  // What the held-out rows say about confidence.
  if (!held.nodes.empty()) {
    std::vector<float> unlabelled;
    for (std::size_t i = 0; i < n; ++i)
      if (result.status[i] == RowStatus::predicted || result.status[i] == RowStatus::classified)
        unlabelled.push_back(result.confidences(i, 0));
    const ThresholdTable table(std::move(unlabelled), ranked_answers(held, summary.iterations), held.repeats);
    summary.thresholds = table.rows();
    if (options.precision) summary.picked = table.pick(*options.precision);
    const std::vector<Suspect> opinions = held_out_opinions(held, summary.iterations);
    result.suspects = find_suspects(opinions);
    for (const Suspect& opinion : opinions) {
      std::fill_n(result.classes.row(opinion.row), options.top, -1);
      std::fill_n(result.confidences.row(opinion.row), options.top, 0.0f);
      set_answer(result, opinion.row, 0, opinion.predicted, opinion.predicted_confidence);
    }
  }
  if (weighted != nullptr && options.propagation->solver != Solver::iterate) summary.iterations = 0;
  return result;
}

}  // namespace

LabelResult label_nodes(Context& context, const GraphView& graph, std::span<const std::int32_t> labels,
                        std::uint32_t classes, const LabelOptions& options, RowSource* rows,
                        const ShareSink& share_sink) {
  return label_all(context, graph, nullptr, labels, classes, options, rows, share_sink);
}

LabelResult label_nodes(Context& context, const WeightedGraphView& graph, std::span<const std::int32_t> labels,
                        std::uint32_t classes, const LabelOptions& options, const ShareSink& share_sink) {
  return label_all(context, graph.graph, &graph, labels, classes, options, nullptr, share_sink);
}

}  // namespace lowshot
