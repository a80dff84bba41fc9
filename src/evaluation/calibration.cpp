#include "lowshot/calibration.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <vector>

namespace lowshot {
namespace {

constexpr double least_temperature = 1e-3, most_temperature = 1e3;

// Of the exponentials of scores x inverse: log of their sum, and the scores' mean under the softmax.
struct RowMoments {
  double log_sum = 0, mean = 0;
};

RowMoments moments(std::span<const float> scores, double inverse) {
  const double most = *std::max_element(scores.begin(), scores.end());
  double sum = 0, weighted = 0;
  for (const float s : scores) {
    const double e = std::exp((s - most) * inverse);
    sum += e;
    weighted += e * s;
  }
  return {most * inverse + std::log(sum), weighted / sum};
}

// d loss / d (1/T) where the class of each row counts as 1 - softened and the others share the rest.
double slope(MatrixView<const float> scores, std::span<const std::int32_t> labels, double softened, double inverse) {
  double sum = 0;
  for (std::size_t i = 0; i < scores.rows(); ++i) {
    const auto row = scores.row_span(i);
    const double own = row[static_cast<std::size_t>(labels[i])];
    double all = 0;
    for (const float s : row) all += s;
    const double others = (all - own) / static_cast<double>(row.size() - 1);
    sum += moments(row, inverse).mean - (1 - softened) * own - softened * others;
  }
  return sum;
}

}  // namespace

double fit_temperature(MatrixView<const float> scores, std::span<const std::int32_t> labels) {
  assert(labels.size() == scores.rows());
  if (scores.rows() == 0 || scores.cols() < 2) return 1;
  const double softened = 1 / (static_cast<double>(scores.rows()) + 2);
  double low = std::log(1 / most_temperature), high = std::log(1 / least_temperature);
  for (int step = 0; step < 40; ++step) {  // by halves: 14 / 2^40 is far below any confidence's last digit
    const double middle = (low + high) / 2;
    (slope(scores, labels, softened, std::exp(middle)) < 0 ? low : high) = middle;
  }
  return std::exp(-(low + high) / 2);
}

double log_loss(MatrixView<const float> scores, std::span<const std::int32_t> labels, double temperature) {
  assert(labels.size() == scores.rows() && temperature > 0);
  if (scores.rows() == 0) return 0;
  double sum = 0;
  for (std::size_t i = 0; i < scores.rows(); ++i)
    sum += moments(scores.row_span(i), 1 / temperature).log_sum -
           scores(i, static_cast<std::size_t>(labels[i])) / temperature;
  return sum / static_cast<double>(scores.rows());
}

double expected_calibration_error(std::span<const float> confidences, std::span<const std::uint8_t> right,
                                  std::uint32_t bins) {
  assert(right.size() == confidences.size() && bins > 0);
  if (confidences.empty()) return 0;
  std::vector<double> gap(bins, 0);  // sum of (right - confidence)
  for (std::size_t i = 0; i < confidences.size(); ++i) {
    const auto bin = static_cast<std::int64_t>(std::ceil(confidences[i] * static_cast<double>(bins))) - 1;
    gap[static_cast<std::size_t>(std::clamp<std::int64_t>(bin, 0, bins - 1))] +=
        (right[i] != 0 ? 1.0 : 0.0) - confidences[i];
  }
  double sum = 0;
  for (const double g : gap) sum += std::abs(g);
  return sum / static_cast<double>(confidences.size());
}

}  // namespace lowshot
