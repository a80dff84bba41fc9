// A weighted sum of the log scores of two classifiers.
#include "lowshot/combine.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "lowshot/error.h"
#include "lowshot/io.h"

namespace lowshot {
namespace {

constexpr float least_log_score = -1e6f;

double weight_of(int step) {
  return static_cast<double>(step) / weight_steps;
}

void require_same(bool same, const char* what, const fs::path& first, const fs::path& second) {
  if (!same)
    throw Error(ErrorKind::input,
                fmt::format("the scores of {} and {} are of different {}", first.string(), second.string(), what), {},
                "both must be runs of the same data, --mode, and where they name rows the same val.hdf5");
}

std::size_t layer_of(const ScoreInfo& info, std::optional<std::uint32_t> iteration, const fs::path& path) {
  const std::size_t layers = info.iterations.size();
  if (!iteration || layers == 1) return layers - 1;
  const auto found = std::find(info.iterations.begin(), info.iterations.end(), *iteration);
  if (found == info.iterations.end())
    throw Error(ErrorKind::input,
                fmt::format("there are no scores of iteration {}, only of {} to {}", *iteration,
                            *std::min_element(info.iterations.begin(), info.iterations.end()),
                            *std::max_element(info.iterations.begin(), info.iterations.end())),
                path.string(), "choose another --iteration");
  return static_cast<std::size_t>(found - info.iterations.begin());
}

}  // namespace

void to_log_scores(ScoreKind kind, MatrixView<float> scores) {
  for (std::size_t i = 0; i < scores.rows(); ++i) {
    const std::span<float> row = scores.row_span(i);
    if (kind == ScoreKind::log_softmax) {
      for (float& score : row) score = std::max(score, least_log_score);
      continue;
    }
    double sum = 0;
    for (const float score : row) sum += score;
    for (float& score : row)
      score = static_cast<float>(sum > 0 ? std::log(score / sum + share_floor)
                                         : -std::log(static_cast<double>(row.size())));
  }
}

void combine_scores(MatrixView<const float> first, MatrixView<const float> second, double weight,
                    MatrixView<float> out) {
  for (std::size_t e = 0; e < out.size(); ++e)
    out.data()[e] = static_cast<float>((1 - weight) * first.data()[e] + weight * second.data()[e]);
}

void normalise_log_scores(MatrixView<float> scores) {
  for (std::size_t i = 0; i < scores.rows(); ++i) {
    const std::span<float> row = scores.row_span(i);
    const double largest = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (const float score : row) sum += std::exp(score - largest);
    for (float& score : row) score = static_cast<float>(score - largest - std::log(sum));
  }
}

Accuracy score_accuracy(ScoreKind kind, MatrixView<const float> scores, std::span<const std::int32_t> labels,
                        const std::vector<bool>& is_novel, int threads) {
  TopClasses top(scores.rows(), 5,
                 kind == ScoreKind::log_softmax ? TopClasses::Scores::any_sign : TopClasses::Scores::positive);
  top.offer(0, scores, threads);
  return accuracy(top, labels, is_novel);
}

double value(const Accuracy& accuracy, AccuracyMetric metric) {
  switch (metric) {
    case AccuracyMetric::top5_all:
      return accuracy.top5_all;
    case AccuracyMetric::top5_novel:
      return accuracy.top5_novel;
    case AccuracyMetric::top1_all:
      return accuracy.top1_all;
    case AccuracyMetric::top1_novel:
      return accuracy.top1_novel;
  }
  return 0;
}

double best_weight(std::span<const double> values) {
  int best = 0;
  const auto from_middle = [](int step) { return std::abs(2 * step - weight_steps); };
  for (int step = 1; step <= weight_steps; ++step) {
    const double difference = values[static_cast<std::size_t>(step)] - values[static_cast<std::size_t>(best)];
    if (difference > 0 || (difference == 0 && from_middle(step) < from_middle(best))) best = step;
  }
  return weight_of(best);
}

Accuracy ScorePair::at(Context& context, double weight) const {
  Matrix<float> combined(log_scores[0].rows(), log_scores[0].cols());
  combine_scores(log_scores[0], log_scores[1], weight, combined);
  return score_accuracy(ScoreKind::log_softmax, combined, info.labels, info.is_novel, context.thread_count());
}

std::vector<Accuracy> ScorePair::by_weight(Context& context) const {
  std::vector<Accuracy> accuracies;
  for (int step = 0; step <= weight_steps; ++step) accuracies.push_back(at(context, weight_of(step)));
  return accuracies;
}

ScorePair read_score_pair(Context& context, const fs::path& first, const fs::path& second,
                          std::optional<std::uint32_t> iteration) {
  const fs::path paths[2] = {first, second};
  const ScoreInfo infos[2] = {read_score_info(first), read_score_info(second)};
  require_same(infos[0].classes == infos[1].classes && infos[0].is_novel == infos[1].is_novel, "classes", first,
               second);
  require_same(infos[0].rows == infos[1].rows, "rows", first, second);
  require_same(infos[0].labels == infos[1].labels, "true classes", first, second);
  ScorePair pair;
  pair.info = infos[0];
  for (int i = 0; i < 2; ++i) {
    const std::size_t layer = layer_of(infos[i], iteration, paths[i]);
    pair.kinds[i] = infos[i].kind;
    pair.iterations[i] = infos[i].iterations[layer];
    pair.log_scores[i] = read_score_layer(paths[i], infos[i], layer);
    pair.alone[i] =
        score_accuracy(infos[i].kind, pair.log_scores[i], pair.info.labels, pair.info.is_novel, context.thread_count());
    to_log_scores(infos[i].kind, pair.log_scores[i]);
  }
  return pair;
}

std::uint64_t score_pair_memory(std::uint64_t rows, std::uint64_t classes) {
  return 3 * rows * classes * sizeof(float);  // two parts and their sum
}

}  // namespace lowshot
