#include "lowshot/class_priors.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstddef>

namespace lowshot {
namespace {

constexpr int most_steps = 500;
constexpr double still = 1e-6;

std::vector<double> scaled_to_one(std::vector<double> values) {
  double sum = 0;
  for (const double v : values) sum += v;
  for (double& v : values) v /= sum;
  return values;
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

std::vector<float> prior_offsets(std::span<const double> priors, std::span<const double> assumed) {
  assert(priors.size() == assumed.size());
  std::vector<float> offsets(priors.size());
  for (std::size_t c = 0; c < priors.size(); ++c) offsets[c] = static_cast<float>(std::log(priors[c] / assumed[c]));
  return offsets;
}

}  // namespace lowshot
