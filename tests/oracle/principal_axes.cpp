#include "oracle/principal_axes.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace oracle {
namespace {

double dot(const Dense& a, std::size_t i, const Dense& b, std::size_t j) {
  double sum = 0;
  for (std::size_t c = 0; c < a.cols; ++c) sum += a(i, c) * b(j, c);
  return sum;
}

}  // namespace

std::vector<double> column_means(const Dense& x) {
  std::vector<double> means(x.cols);
  for (std::size_t c = 0; c < x.cols; ++c) {
    for (std::size_t i = 0; i < x.rows; ++i) means[c] += x(i, c);
    means[c] /= static_cast<double>(x.rows);
  }
  return means;
}

Dense scatter(const Dense& x) {
  const std::vector<double> mean = column_means(x);
  Dense result(x.cols, x.cols);
  for (std::size_t i = 0; i < x.rows; ++i) {
    for (std::size_t a = 0; a < x.cols; ++a) {
      for (std::size_t b = 0; b < x.cols; ++b) result(a, b) += (x(i, a) - mean[a]) * (x(i, b) - mean[b]);
    }
  }
  return result;
}

Axes principal_axes(Dense s) {
  const std::size_t n = s.rows;
  Dense v(n, n);  // rows become eigenvectors
  for (std::size_t i = 0; i < n; ++i) v(i, i) = 1;
  for (int sweep = 0; sweep < 60; ++sweep) {
    double off = 0, all = 0;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        all += s(i, j) * s(i, j);
        if (i != j) off += s(i, j) * s(i, j);
      }
    }
    if (off <= 1e-30 * all) break;
    for (std::size_t p = 0; p < n; ++p) {
      for (std::size_t q = p + 1; q < n; ++q) {
        if (s(p, q) == 0) continue;
        const double theta = 0.5 * std::atan2(2 * s(p, q), s(p, p) - s(q, q));
        const double cosine = std::cos(theta), sine = std::sin(theta);
        for (std::size_t k = 0; k < n; ++k) {  // s <- s G
          const double a = s(k, p), b = s(k, q);
          s(k, p) = cosine * a + sine * b;
          s(k, q) = cosine * b - sine * a;
        }
        for (std::size_t k = 0; k < n; ++k) {  // s <- G' s, v <- G' v
          const double a = s(p, k), b = s(q, k), c = v(p, k), d = v(q, k);
          s(p, k) = cosine * a + sine * b;
          s(q, k) = cosine * b - sine * a;
          v(p, k) = cosine * c + sine * d;
          v(q, k) = cosine * d - sine * c;
        }
      }
    }
  }
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return s(a, a) > s(b, b); });
  Axes result{std::vector<double>(n), Dense(n, n)};
  for (std::size_t i = 0; i < n; ++i) {
    result.values[i] = s(order[i], order[i]);
    std::size_t largest = 0;
    for (std::size_t k = 0; k < n; ++k) {
      if (std::abs(v(order[i], k)) > std::abs(v(order[i], largest))) largest = k;
    }
    const double sign = v(order[i], largest) < 0 ? -1 : 1;
    for (std::size_t k = 0; k < n; ++k) result.rows(i, k) = sign * v(order[i], k);
  }
  return result;
}

double distance_between_row_spaces(const Dense& a, const Dense& b) {
  double squares = 0;
  for (std::size_t i = 0; i < a.rows; ++i) {
    std::vector<double> rest(a.cols);
    for (std::size_t c = 0; c < a.cols; ++c) rest[c] = a(i, c);
    for (std::size_t j = 0; j < b.rows; ++j) {
      const double along = dot(a, i, b, j);
      for (std::size_t c = 0; c < a.cols; ++c) rest[c] -= along * b(j, c);
    }
    for (const double value : rest) squares += value * value;
  }
  return std::sqrt(squares);
}

double distance_from_orthonormal_rows(const Dense& a) {
  double worst = 0;
  for (std::size_t i = 0; i < a.rows; ++i) {
    for (std::size_t j = 0; j < a.rows; ++j) worst = std::max(worst, std::abs(dot(a, i, a, j) - (i == j ? 1 : 0)));
  }
  return worst;
}

}  // namespace oracle
