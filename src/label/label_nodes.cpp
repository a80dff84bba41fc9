// Labels of a few nodes -> labels and confidences of all: hold out, choose, diffuse, read out.
#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>

#include "label/held_out_scores.h"
#include "lowshot/error.h"
#include "lowshot/evaluation.h"
#include "lowshot/hold_out.h"
#include "lowshot/label.h"

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
  }
  return "";
}

std::uint64_t label_nodes_memory(std::uint64_t nodes, std::uint32_t classes, const LabelOptions& options) {
  const DiffusionOptions diffusion{.iterations = options.iterations.value_or(options.most_iterations),
                                   .slice = options.slice};
  const std::uint64_t answer = (sizeof(std::int32_t) + sizeof(float)) * options.top + sizeof(float) + sizeof(RowStatus);
  return diffuse_memory(nodes, nodes, classes, diffusion) + nodes * (answer + sizeof(NodeId) + sizeof(float));
}

LabelResult label_nodes(Context& context, const GraphView& graph, std::span<const std::int32_t> labels,
                        std::uint32_t classes, const LabelOptions& options, const ScoreSink& share_sink) {
  const std::size_t n = graph.nodes();
  if (std::none_of(labels.begin(), labels.end(), [](std::int32_t c) { return c >= 0; }))
    throw Error(ErrorKind::input, "no row has a label", "", "give at least one label a class");
  LabelResult result;
  HoldOut& summary = result.hold_out;

  // 1. Hold out, choose the number of iterations.
  HeldOutScores held;
  {
    Phase phase(context, "hold-out");
    const std::uint32_t most = std::max(options.iterations.value_or(options.most_iterations), 1u);
    held = hold_out(context, graph, labels, classes, options, most);
    summary.checked_rows = held.nodes.size();
    summary.unchecked_classes = held.unchecked_classes;
    for (std::uint32_t t = 1; t <= most; ++t) summary.accuracy_by_iteration.push_back(held_out_accuracy(held, t));
    const auto best = std::max_element(summary.accuracy_by_iteration.begin(), summary.accuracy_by_iteration.end());
    // Without a single held-out row nothing can be compared: 3, which was best or next to it wherever we measured.
    const std::uint32_t chosen = held.nodes.empty()
                                     ? std::min(3u, most)
                                     : static_cast<std::uint32_t>(best - summary.accuracy_by_iteration.begin()) + 1;
    summary.iterations = options.iterations.value_or(chosen);
    if (summary.iterations > 0) summary.accuracy = summary.accuracy_by_iteration[summary.iterations - 1];
    const Interval interval = wilson_interval(summary.accuracy, summary.checked_rows);
    summary.low = interval.low;
    summary.high = interval.high;
  }

  // 2. Diffuse from all labels; every node is read out.
  TopClasses top(n, options.top);
  std::vector<float> total(n, 0.0f);
  {
    Phase phase(context, "diffusion");
    Matrix<NodeId> every(n, 1);
    std::iota(every.data(), every.data() + n, NodeId{0});
    DiffusionOptions diffusion{.iterations = summary.iterations, .slice = options.slice};
    diffusion.read_from = summary.iterations;
    diffuse(context, graph, labels, classes, every, diffusion,
            [&](std::uint32_t, std::uint32_t first, MatrixView<const float> scores) {
              top.offer(first, scores, context.thread_count());
#pragma omp parallel for num_threads(context.thread_count()) schedule(static)
              for (std::size_t i = 0; i < n; ++i)
                for (const float s : scores.row_span(i)) total[i] += s;
            });
    if (share_sink) {
      Matrix<float> shares;
      diffuse(context, graph, labels, classes, every, diffusion,
              [&](std::uint32_t t, std::uint32_t first, MatrixView<const float> scores) {
                if (shares.cols() < scores.cols()) shares = Matrix<float>(n, scores.cols());
                const MatrixView<float> view(shares.data(), n, scores.cols());
#pragma omp parallel for num_threads(context.thread_count()) schedule(static)
                for (std::size_t i = 0; i < n; ++i)
                  for (std::size_t c = 0; c < scores.cols(); ++c)
                    view(i, c) = total[i] > 0 ? scores(i, c) / total[i] : 0;
                share_sink(t, first, view);
              });
    }
  }
  result.classes = Matrix<std::int32_t>(n, options.top);
  result.confidences = Matrix<float>(n, options.top);
  result.status.resize(n);
  for (std::size_t i = 0; i < n; ++i) {
    result.status[i] = labels[i] >= 0     ? RowStatus::given
                       : top.unreached(i) ? RowStatus::unreached
                                          : RowStatus::predicted;
    for (std::uint32_t j = 0; j < options.top; ++j) {
      const bool there = total[i] > 0 && top.row(i)[j] >= 0 && top.row_scores(i)[j] > 0;
      result.classes(i, j) = there ? top.row(i)[j] : -1;
      result.confidences(i, j) = there ? top.row_scores(i)[j] / total[i] : 0;
    }
  }

  // 3. What the held-out rows say about confidence.
  if (summary.iterations > 0 && !held.nodes.empty()) {
    std::vector<float> unlabelled;
    for (std::size_t i = 0; i < n; ++i)
      if (result.status[i] == RowStatus::predicted) unlabelled.push_back(result.confidences(i, 0));
    const ThresholdTable table(std::move(unlabelled), ranked_answers(held, summary.iterations), held.repeats);
    summary.thresholds = table.rows();
    if (options.precision) summary.picked = table.pick(*options.precision);
    const std::vector<Suspect> opinions = held_out_opinions(held, summary.iterations);
    result.suspects = find_suspects(opinions);
    for (const Suspect& opinion : opinions) {
      std::fill_n(result.classes.row(opinion.row), options.top, -1);
      std::fill_n(result.confidences.row(opinion.row), options.top, 0.0f);
      result.classes(opinion.row, 0) = opinion.predicted;
      result.confidences(opinion.row, 0) = opinion.predicted_confidence;
    }
  }
  return result;
}

}  // namespace lowshot
