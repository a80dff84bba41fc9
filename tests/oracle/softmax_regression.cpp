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

}  // namespace oracle
