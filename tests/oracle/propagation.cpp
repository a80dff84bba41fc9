#include "oracle/propagation.h"

#include <cmath>
#include <utility>

namespace oracle {
namespace {

Dense product(const Dense& a, const Dense& b) {
  Dense c(a.rows, b.cols);
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t j = 0; j < a.cols; ++j)
      for (std::size_t e = 0; e < b.cols; ++e) c(i, e) += a(i, j) * b(j, e);
  return c;
}

}  // namespace

Dense one_hot(const std::vector<std::int32_t>& labels, std::size_t classes) {
  Dense y(labels.size(), classes);
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] >= 0) y(i, static_cast<std::size_t>(labels[i])) = 1;
  return y;
}

Dense symmetric_normalised(const Dense& b) {
  const std::vector<double> d = row_sums(b);
  Dense s(b.rows, b.cols);
  for (std::size_t i = 0; i < b.rows; ++i)
    for (std::size_t j = 0; j < b.cols; ++j)
      if (b(i, j) != 0) s(i, j) = b(i, j) / std::sqrt(d[i] * d[j]);
  return s;
}

Dense restart(const Dense& b, const Dense& y, double alpha, std::size_t iterations) {
  const Dense s = symmetric_normalised(b);
  Dense f = y;
  for (std::size_t t = 0; t < iterations; ++t) {
    f = product(s, f);
    for (std::size_t e = 0; e < f.values.size(); ++e) f.values[e] = alpha * f.values[e] + (1 - alpha) * y.values[e];
  }
  return f;
}

Dense restart_limit(const Dense& b, const Dense& y, double alpha) {
  const std::size_t n = b.rows;
  Dense m = symmetric_normalised(b), f = y;
  for (double& value : m.values) value *= -alpha;
  for (std::size_t i = 0; i < n; ++i) m(i, i) += 1;
  for (double& value : f.values) value *= 1 - alpha;
  for (std::size_t p = 0; p < n; ++p) {
    std::size_t best = p;
    for (std::size_t i = p; i < n; ++i)
      if (std::abs(m(i, p)) > std::abs(m(best, p))) best = i;
    for (std::size_t j = 0; j < n; ++j) std::swap(m(p, j), m(best, j));
    for (std::size_t c = 0; c < f.cols; ++c) std::swap(f(p, c), f(best, c));
    for (std::size_t i = 0; i < n; ++i) {
      if (i == p || m(i, p) == 0) continue;
      const double factor = m(i, p) / m(p, p);
      for (std::size_t j = p; j < n; ++j) m(i, j) -= factor * m(p, j);
      for (std::size_t c = 0; c < f.cols; ++c) f(i, c) -= factor * f(p, c);
    }
  }
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t c = 0; c < f.cols; ++c) f(i, c) /= m(i, i);
  return f;
}

Dense clamping(const Dense& b, const std::vector<std::int32_t>& labels, std::size_t classes, std::size_t iterations) {
  const Dense w = transition(b), y = one_hot(labels, classes);
  Dense f = y;
  for (std::size_t t = 0; t < iterations; ++t) {
    f = product(w, f);
    for (std::size_t i = 0; i < labels.size(); ++i)
      if (labels[i] >= 0)
        for (std::size_t c = 0; c < classes; ++c) f(i, c) = y(i, c);
  }
  return f;
}

Dense class_mass(const Dense& f, const std::vector<std::int32_t>& labels) {
  std::vector<double> count(f.cols), mass(f.cols);
  double labelled = 0;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] >= 0) count[static_cast<std::size_t>(labels[i])] += 1, labelled += 1;
    for (std::size_t c = 0; c < f.cols; ++c)
      if (labels[i] < 0) mass[c] += f(i, c);
  }
  Dense result = f;
  for (std::size_t i = 0; i < labels.size(); ++i)
    for (std::size_t c = 0; c < f.cols; ++c)
      if (labels[i] < 0 && mass[c] > 0) result(i, c) *= count[c] / labelled / mass[c];
  return result;
}

std::vector<double> residuals(const Dense& b, const Dense& y, double alpha, const Dense& f) {
  const Dense s = product(symmetric_normalised(b), f);
  std::vector<double> result(y.cols);
  for (std::size_t c = 0; c < y.cols; ++c) {
    double left = 0, right = 0;
    for (std::size_t i = 0; i < y.rows; ++i) {
      left += std::pow((1 - alpha) * y(i, c) - (f(i, c) - alpha * s(i, c)), 2);
      right += std::pow((1 - alpha) * y(i, c), 2);
    }
    result[c] = right > 0 ? std::sqrt(left / right) : 0;
  }
  return result;
}

}  // namespace oracle
