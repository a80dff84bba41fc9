// Labels of a few nodes -> labels and confidences of all: hold out, choose, diffuse, read out.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include "label/held_out_scores.h"
#include "label/own_answers.h"
#include "label/propagated.h"
#include "lowshot/error.h"
#include "lowshot/evaluation.h"
#include "lowshot/hold_out.h"
#include "lowshot/label.h"
#include "lowshot/typicality.h"

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

// (confidence, right) of every held-out answer, by falling confidence.
std::vector<std::pair<float, bool>> ranked_answers(const HeldOutScores& scores, std::uint32_t iteration) {
  std::vector<std::pair<float, bool>> ranked;
  for (std::uint32_t r = 0; r < scores.repeats; ++r) {
    const auto answers = scores.at(iteration, r);
    for (std::size_t i = 0; i < answers.size(); ++i)
      ranked.emplace_back(answers[i].confidence, answers[i].predicted == scores.given[i]);
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  return ranked;
}

// Shares of rows at which the table has a line.
constexpr double table_shares[] = {1, .95, .9, .8, .7, .6, .5, .4, .3, .2, .1, .05};

class ThresholdTable {
 public:
  // `confidences` of the unlabelled rows (any order) and the ranked held-out answers.
  ThresholdTable(std::vector<float> confidences, std::vector<std::pair<float, bool>> ranked, std::uint32_t repeats)
      : confidences_(std::move(confidences)), ranked_(std::move(ranked)), repeats_(repeats) {
    std::sort(confidences_.begin(), confidences_.end(), std::greater<>());
    right_.push_back(0);
    for (const auto& [confidence, right] : ranked_) right_.push_back(right_.back() + (right ? 1 : 0));
  }

  ThresholdRow at(float threshold) const {
    const auto held = static_cast<std::size_t>(
        std::partition_point(ranked_.begin(), ranked_.end(), [&](const auto& a) { return a.first >= threshold; }) -
        ranked_.begin());
    const auto kept =
        std::partition_point(confidences_.begin(), confidences_.end(), [&](float c) { return c >= threshold; });
    ThresholdRow row;
    row.threshold = threshold;
    row.kept = confidences_.empty()
                   ? 0
                   : static_cast<double>(kept - confidences_.begin()) / static_cast<double>(confidences_.size());
    row.held_out = held / repeats_;
    row.accuracy = held == 0 ? 0 : static_cast<double>(right_[held]) / static_cast<double>(held);
    return row;
  }

  std::vector<ThresholdRow> rows() const {
    std::vector<ThresholdRow> rows;
    for (const double share : table_shares) {
      if (confidences_.empty()) break;
      const auto place = static_cast<std::size_t>(std::ceil(share * static_cast<double>(confidences_.size())));
      rows.push_back(at(share == 1 ? 0.0f : confidences_[std::max<std::size_t>(place, 1) - 1]));
    }
    return rows;
  }

  // The lowest threshold from which on the held-out answers are right often enough: the share of right ones among the
  // answers above it, less one answer counted as wrong for each repeat, must reach the wish. Without that the lucky end
  // of the few most confident answers would be picked.
  std::optional<ThresholdRow> pick(double precision) const {
    for (std::size_t i = ranked_.size(); i-- > 0;) {
      if (i + 1 < ranked_.size() && ranked_[i].first == ranked_[i + 1].first) continue;
      const double asked = static_cast<double>(i + 1 + repeats_);
      if (static_cast<double>(right_[i + 1]) >= precision * asked) return at(ranked_[i].first);
    }
    return {};
  }

 private:
  std::vector<float> confidences_;
  std::vector<std::pair<float, bool>> ranked_;
  std::vector<std::uint64_t> right_;  // among the first i answers
  std::uint32_t repeats_;
};

// What is said of each held-out node: by most repeats, the first to say it where several are as many.
std::vector<Suspect> held_out_opinions(const HeldOutScores& scores, std::uint32_t iteration) {
  std::vector<Suspect> opinions;
  for (std::size_t i = 0; i < scores.nodes.size(); ++i) {
    Suspect s{scores.nodes[i], scores.given[i], -1, 0, 0};
    std::uint32_t most = 0;
    for (std::uint32_t r = 0; r < scores.repeats; ++r) {
      const HeldOutAnswer& answer = scores.at(iteration, r)[i];
      std::uint32_t votes = 0;
      float confidence = 0;
      for (std::uint32_t other = 0; other < scores.repeats; ++other)
        if (scores.at(iteration, other)[i].predicted == answer.predicted)
          ++votes, confidence += scores.at(iteration, other)[i].confidence;
      if (votes > most)
        most = votes, s.predicted = answer.predicted, s.predicted_confidence = confidence / static_cast<float>(votes);
      s.given_confidence += answer.given_confidence / static_cast<float>(scores.repeats);
    }
    opinions.push_back(s);
  }
  return opinions;
}

std::vector<Suspect> find_suspects(const std::vector<Suspect>& opinions) {
  std::vector<Suspect> suspects;
  std::copy_if(opinions.begin(), opinions.end(), std::back_inserter(suspects),
               [](const Suspect& s) { return s.predicted >= 0 && s.predicted != s.given; });
  std::stable_sort(suspects.begin(), suspects.end(), [](const Suspect& a, const Suspect& b) {
    return a.predicted_confidence - a.given_confidence > b.predicted_confidence - b.given_confidence;
  });
  return suspects;
}

}  // namespace

std::string_view name(RowStatus status) {
  switch (status) {
    case RowStatus::given:
      return "given";
    case RowStatus::predicted:
      return "predicted";
    case RowStatus::unreached:
      return "unreached";
    case RowStatus::bad:
      return "bad";
    case RowStatus::classified:
      return "classified";
    case RowStatus::unknown:
      return "unknown";
  }
  return "";
}

std::string_view name(LabelRecipe recipe) {
  switch (recipe) {
    case LabelRecipe::automatic:
      return "auto";
    case LabelRecipe::graph:
      return "graph";
    case LabelRecipe::own:
      return "own";
  }
  return "";
}

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

// 1. Hold out, choose the recipe and the number of iterations.
struct Choice {
  HeldOutScores held;      // of the answer that is chosen
  RowTransform transform;  // where the classifier takes part
  SoftmaxModel model;
};

std::uint32_t best_iteration(std::span<const double> accuracy) {
  return static_cast<std::uint32_t>(std::max_element(accuracy.begin(), accuracy.end()) - accuracy.begin()) + 1;
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

// `weighted`: the graph with its weights, where it has some.
Choice hold_out_and_choose(Context& context, const GraphView& graph, const WeightedGraphView* weighted,
                           std::span<const std::int32_t> labels, std::uint32_t classes, const LabelOptions& options,
                           RowSource* rows, HoldOut& summary) {
  Choice choice;
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
  // Without a single held-out row nothing can be compared: 3, which was best or next to it wherever we measured; of
  // what comes to a limit the most (one label a class, 50,000 CIFAR rows: restart 43.7 % right at 3, 47.9 at 20,
  // clamping 40.7 and 47.8).
  const bool to_a_limit = weighted != nullptr && options.propagation->method != Propagation::diffusion;
  const std::uint32_t graph_at =
      options.iterations.value_or(!held.nodes.empty() ? best_iteration(summary.accuracy_by_iteration)
                                  : to_a_limit        ? most
                                                      : std::min(3u, most));
  summary.recipe = LabelRecipe::graph;
  summary.iterations = graph_at;
  summary.accuracy = summary.accuracy_by_iteration[graph_at - 1];
  if (own) {
    OwnHoldOut answers = own_hold_out(context, own_rows, votes, held, classes);
    summary.own_accuracy = answers.accuracy;
    summary.own_loss = answers.log_loss;
    // By the loss: it says more of few rows than the share of right ones. With one label a class: the most, which was
    // the best there wherever we measured.
    const auto least = std::min_element(answers.log_loss.begin(), answers.log_loss.end()) - answers.log_loss.begin();
    const std::uint32_t own_at =
        options.iterations.value_or(held.nodes.empty() ? most : static_cast<std::uint32_t>(least) + 1);
    if (options.recipe == LabelRecipe::own || !graph_is_better(held, graph_at, answers.answers, own_at)) {
      summary.recipe = LabelRecipe::own;
      summary.iterations = own_at;
      summary.accuracy = answers.accuracy[own_at - 1];
      summary.temperature = answers.temperature[own_at - 1];
      choice.held = std::move(answers.answers);
      choice.transform = std::move(own_rows.transform);
      choice.model = own_model(context, own_rows, votes, own_at, classes);
    }
  }
  const Interval interval = wilson_interval(summary.accuracy, summary.checked_rows);
  summary.low = interval.low;
  summary.high = interval.high;
  return choice;
}

void set_answer(LabelResult& result, std::size_t node, std::size_t place, std::int32_t c, float confidence) {
  result.classes(node, place) = c;
  result.confidences(node, place) = confidence;
}

/// Hands over the scores of every node, from all labels.
using AllScores = std::function<void(const ScoreSink& sink)>;

AllScores diffused_scores(Context& context, const GraphView& graph, std::span<const std::int32_t> labels,
                          std::uint32_t classes, const LabelOptions& options, std::uint32_t iterations) {
  return [=, &context](const ScoreSink& sink) {
    Matrix<NodeId> every(graph.nodes(), 1);
    std::iota(every.data(), every.data() + graph.nodes(), NodeId{0});
    DiffusionOptions diffusion{.iterations = iterations, .slice = options.slice};
    diffusion.read_from = iterations;
    diffuse(context, graph, labels, classes, every, diffusion, sink);
  };
}

// 2. Diffuse from all labels; every node is read out. result.typicality receives the mass that reached it.
void answer_by_graph(Context& context, const AllScores& all_scores, const LabelOptions& options, LabelResult& result,
                     const ShareSink& share_sink) {
  const Phase phase(context, "diffusion");
  const std::size_t n = result.status.size();
  TopClasses top(n, options.top);
  std::vector<float>& total = result.typicality;
  all_scores([&](std::uint32_t, std::uint32_t first, MatrixView<const float> scores) {
    top.offer(first, scores, context.thread_count());
#pragma omp parallel for num_threads(context.thread_count()) schedule(static)
    for (std::size_t i = 0; i < n; ++i)
      for (const float s : scores.row_span(i)) total[i] += s;
  });
  if (share_sink) {
    Matrix<float> shares;
    all_scores([&](std::uint32_t, std::uint32_t first, MatrixView<const float> scores) {
      if (shares.cols() < scores.cols()) shares = Matrix<float>(n, scores.cols());
      const MatrixView<float> view(shares.data(), n, scores.cols());
#pragma omp parallel for num_threads(context.thread_count()) schedule(static)
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t c = 0; c < scores.cols(); ++c) view(i, c) = total[i] > 0 ? scores(i, c) / total[i] : 0;
      share_sink(0, first, view);
    });
  }
  for (std::size_t i = 0; i < n; ++i) {
    result.status[i] = top.unreached(i) ? RowStatus::unreached : RowStatus::predicted;
    for (std::uint32_t j = 0; j < options.top; ++j) {
      const bool there = total[i] > 0 && top.row(i)[j] >= 0 && top.row_scores(i)[j] > 0;
      set_answer(result, i, j, there ? top.row(i)[j] : -1, there ? top.row_scores(i)[j] / total[i] : 0);
    }
  }
}

void answer_by_both(Context& context, const GraphView& graph, std::span<const std::int32_t> labels,
                    const LabelOptions& options, const HoldOut& summary, const Choice& choice, RowSource& rows,
                    LabelResult& result, const ShareSink& share_sink) {
  const Phase phase(context, "diffusion and classifier");
  own_answers(context, graph, rows, choice.transform, choice.model, labels, summary.iterations, summary.temperature,
              options, [&](std::uint64_t first, MatrixView<const float> shares, std::span<const float> mass) {
                TopClasses top(shares.rows(), options.top, TopClasses::Scores::any_sign);
                top.offer(0, shares, context.thread_count());
                std::copy(mass.begin(), mass.end(), result.typicality.begin() + static_cast<std::ptrdiff_t>(first));
                for (std::size_t i = 0; i < shares.rows(); ++i) {
                  result.status[first + i] = mass[i] > 0 ? RowStatus::predicted : RowStatus::classified;
                  for (std::uint32_t j = 0; j < options.top; ++j) {
                    const std::int32_t c = top.row(i)[j];
                    set_answer(result, first + i, j, c, c >= 0 ? top.row_scores(i)[j] : 0);
                  }
                }
                if (share_sink) share_sink(first, 0, shares);
              });
}

// 3. The mass that reached each node -> its rank among the held-out ones.
void rank_typicality(const HeldOutScores& held, std::uint32_t iteration, LabelResult& result) {
  std::vector<float> masses;
  for (std::uint32_t r = 0; r < held.repeats; ++r)
    for (const HeldOutAnswer& answer : held.at(iteration, r)) masses.push_back(answer.mass);
  for (std::size_t i = 0; i < held.nodes.size(); ++i) {
    float sum = 0;
    for (std::uint32_t r = 0; r < held.repeats; ++r) sum += held.at(iteration, r)[i].mass;
    result.typicality[held.nodes[i]] = sum / static_cast<float>(held.repeats);
  }
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
  Choice choice = hold_out_and_choose(context, graph, weighted, labels, classes, options, rows, summary);
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

  // 4. What the held-out rows say about confidence.
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
