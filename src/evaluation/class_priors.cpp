#include "lowshot/class_priors.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>
#include <limits>

namespace lowshot {
namespace {

constexpr int most_steps = 500;
constexpr double still = 1e-6;
constexpr double rounding = 1e-9;          // of a likelihood: equal numbers of labels say nothing
constexpr std::size_t enough_rows = 4096;  // for what the likeliest shares could gain

std::vector<double> scaled_to_one(std::vector<double> values) {
  double sum = 0;
  for (const double v : values) sum += v;
  for (double& v : values) v /= sum;
  return values;
}

/// At most `most` of the rows, evenly spread.
Matrix<float> every_so_many(MatrixView<const float> rows, std::size_t most) {
  const std::size_t step = (rows.rows() + most - 1) / most;
  Matrix<float> some((rows.rows() + step - 1) / step, rows.cols());
  for (std::size_t i = 0; i < some.rows(); ++i) std::copy_n(rows.row(i * step), rows.cols(), some.row(i));
  return some;
}

}  // namespace

std::vector<double> estimate_priors(MatrixView<const float> log_scores, std::span<const double> assumed) {
  const std::size_t rows = log_scores.rows(), classes = assumed.size();
  assert(rows == 0 || log_scores.cols() == classes);
  std::vector<double> priors = scaled_to_one({assumed.begin(), assumed.end()});
  if (rows == 0) return priors;
  Matrix<float> likelihood(rows, classes);  // of each row under each class, up to a factor a row
  for (std::size_t i = 0; i < rows; ++i) {
    const auto row = log_scores.row_span(i);
    const float most = *std::max_element(row.begin(), row.end());
    for (std::size_t c = 0; c < classes; ++c)
      likelihood(i, c) = static_cast<float>(std::exp(row[c] - most) / priors[c]);
  }
  for (int step = 0; step < most_steps; ++step) {
    std::vector<double> counts(classes, 1);
    for (std::size_t i = 0; i < rows; ++i) {
      double sum = 0;
      for (std::size_t c = 0; c < classes; ++c) sum += priors[c] * likelihood(i, c);
      for (std::size_t c = 0; c < classes; ++c) counts[c] += priors[c] * likelihood(i, c) / sum;
    }
    std::vector<double> next = scaled_to_one(std::move(counts));
    double moved = 0;
    for (std::size_t c = 0; c < classes; ++c) moved = std::max(moved, std::abs(next[c] - priors[c]));
    priors = std::move(next);
    if (moved < still) break;
  }
  return priors;
}

double likelihood_gain(MatrixView<const float> log_scores, std::span<const double> assumed,
                       std::span<const double> priors) {
  assert(priors.size() == assumed.size() && (log_scores.rows() == 0 || log_scores.cols() == assumed.size()));
  if (log_scores.rows() == 0) return 0;
  const std::vector<double> before = scaled_to_one({assumed.begin(), assumed.end()});
  double gain = 0;
  for (std::size_t i = 0; i < log_scores.rows(); ++i) {
    const auto row = log_scores.row_span(i);
    const float most = *std::max_element(row.begin(), row.end());
    double all = 0, moved = 0;
    for (std::size_t c = 0; c < row.size(); ++c) {
      const double p = std::exp(row[c] - most);
      all += p;
      moved += p * priors[c] / before[c];
    }
    gain += std::log(std::max(moved, std::numeric_limits<double>::min()) / all);
  }
  return gain / static_cast<double>(log_scores.rows());
}

std::vector<float> prior_offsets(std::span<const double> priors, std::span<const double> assumed) {
  assert(priors.size() == assumed.size());
  std::vector<float> offsets(priors.size());
  for (std::size_t c = 0; c < priors.size(); ++c) offsets[c] = static_cast<float>(std::log(priors[c] / assumed[c]));
  return offsets;
}

std::string_view name(PriorRule rule) {
  switch (rule) {
    case PriorRule::automatic:
      return "auto";
    case PriorRule::uniform:
      return "uniform";
    case PriorRule::labels:
      return "labels";
    case PriorRule::given:
      return "given";
    case PriorRule::estimated:
      return "estimate";
  }
  return "";
}

ClassPriors class_priors(PriorRule rule, std::span<const double> given, std::span<const std::uint64_t> labels_of_class,
                         MatrixView<const float> log_scores) {
  const std::size_t classes = labels_of_class.size();
  assert(rule != PriorRule::given || given.size() == classes);
  const std::vector<double> equal(classes, 1 / static_cast<double>(classes));
  std::vector<double> of_labels(classes);
  for (std::size_t c = 0; c < classes; ++c) of_labels[c] = static_cast<double>(labels_of_class[c]) + 1;
  of_labels = scaled_to_one(std::move(of_labels));

  ClassPriors priors;
  priors.labels_gain = likelihood_gain(log_scores, equal, of_labels);
  if (rule == PriorRule::automatic) {
    rule = PriorRule::uniform;
    if (priors.labels_gain > rounding) {
      const Matrix<float> some = every_so_many(log_scores, enough_rows);
      priors.most_gain = likelihood_gain(some, equal, estimate_priors(some, equal));
      if (priors.labels_gain >= priors.most_gain / 2) rule = PriorRule::labels;
    }
  }
  priors.rule = rule;
  if (rule == PriorRule::labels) priors.shares = of_labels;
  if (rule == PriorRule::uniform) priors.shares = equal;
  if (rule == PriorRule::given) priors.shares = scaled_to_one({given.begin(), given.end()});
  if (rule == PriorRule::estimated) priors.shares = estimate_priors(log_scores, equal);
  priors.gain = rule == PriorRule::uniform ? 0 : likelihood_gain(log_scores, equal, priors.shares);
  return priors;
}

}  // namespace lowshot
