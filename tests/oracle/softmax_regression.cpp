#include "oracle/softmax_regression.h"

#include <algorithm>
#include <cmath>

namespace oracle {

Dense log_softmax(const Dense& weights, const Dense& x) {
  Dense result(x.rows, weights.rows);
  for (std::size_t b = 0; b < x.rows; ++b) {
    double largest = -INFINITY, sum = 0;
    for (std::size_t c = 0; c < weights.rows; ++c) {
      double z = weights(c, x.cols);
      for (std::size_t d = 0; d < x.cols; ++d) z += weights(c, d) * x(b, d);
      result(b, c) = z;
      largest = std::max(largest, z);
    }
    for (std::size_t c = 0; c < weights.rows; ++c) sum += std::exp(result(b, c) - largest);
    for (std::size_t c = 0; c < weights.rows; ++c) result(b, c) -= largest + std::log(sum);
  }
  return result;
}

double regression_loss(const Dense& weights, const Dense& x, const std::vector<std::uint32_t>& labels) {
  const Dense scores = log_softmax(weights, x);
  double sum = 0;
  for (std::size_t b = 0; b < x.rows; ++b) sum -= scores(b, labels[b]);
  return sum / static_cast<double>(x.rows);
}

Dense regression_gradient(const Dense& weights, const Dense& x, const std::vector<std::uint32_t>& labels) {
  const Dense scores = log_softmax(weights, x);
  Dense gradient(weights.rows, weights.cols);
  for (std::size_t b = 0; b < x.rows; ++b)
    for (std::size_t c = 0; c < weights.rows; ++c) {
      const double share = (std::exp(scores(b, c)) - (labels[b] == c ? 1 : 0)) / static_cast<double>(x.rows);
      for (std::size_t d = 0; d < x.cols; ++d) gradient(c, d) += share * x(b, d);
      gradient(c, x.cols) += share;
    }
  return gradient;
}

void regression_step(Dense& weights, Dense& velocity, const Dense& x, const std::vector<std::uint32_t>& labels,
                     double rate, double decay, double momentum) {
  const Dense gradient = regression_gradient(weights, x, labels);
  for (std::size_t e = 0; e < weights.values.size(); ++e) {
    velocity.values[e] = momentum * velocity.values[e] + gradient.values[e] + decay * weights.values[e];
    weights.values[e] -= rate * velocity.values[e];
  }
}

Dense balanced_gradient(const Dense& weights, const Dense& x, const std::vector<std::int32_t>& labels, double penalty) {
  std::vector<Dense> of_class(weights.rows, Dense(0, x.cols));
  for (std::size_t i = 0; i < x.rows; ++i) {
    Dense& own = of_class[static_cast<std::size_t>(labels[i])];
    ++own.rows;
    for (std::size_t d = 0; d < x.cols; ++d) own.values.push_back(x(i, d));
  }
  double present = 0;
  for (const Dense& own : of_class) present += own.rows > 0 ? 1 : 0;
  Dense gradient(weights.rows, weights.cols);
  for (std::size_t c = 0; c < of_class.size(); ++c) {
    if (of_class[c].rows == 0) continue;
    const std::vector<std::uint32_t> own(of_class[c].rows, static_cast<std::uint32_t>(c));
    const Dense part = regression_gradient(weights, of_class[c], own);
    for (std::size_t e = 0; e < part.values.size(); ++e) gradient.values[e] += part.values[e] / present;
  }
  for (std::size_t c = 0; c < weights.rows; ++c)
    for (std::size_t d = 0; d < x.cols; ++d) gradient(c, d) += 2 * penalty * weights(c, d);
  return gradient;
}

Dense balanced_regression(const Dense& x, const std::vector<std::int32_t>& labels, std::size_t classes, double step,
                          double penalty, std::size_t iterations) {
  Dense w(classes, x.cols + 1), before = w;
  for (std::size_t t = 0; t < iterations; ++t) {
    Dense y = w;
    for (std::size_t e = 0; e < y.values.size(); ++e)
      y.values[e] += static_cast<double>(t) / static_cast<double>(t + 3) * (w.values[e] - before.values[e]);
    before = w;
    const Dense gradient = balanced_gradient(y, x, labels, penalty);
    for (std::size_t e = 0; e < y.values.size(); ++e) w.values[e] = y.values[e] - step * gradient.values[e];
  }
  return w;
}

}  // namespace oracle
