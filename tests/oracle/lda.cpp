#include "oracle/lda.h"

#include <algorithm>
#include <cmath>

#include "oracle/principal_axes.h"

namespace oracle {
namespace {

std::vector<double> product(const Dense& a, const std::vector<double>& x) {
  std::vector<double> y(a.rows);
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t j = 0; j < a.cols; ++j) y[i] += a(i, j) * x[j];
  return y;
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

std::vector<double> row(const Dense& x, std::size_t i) {
  return {x.values.begin() + static_cast<std::ptrdiff_t>(i * x.cols),
          x.values.begin() + static_cast<std::ptrdiff_t>((i + 1) * x.cols)};
}

// S^(-1/2) by S = V diag(e) V'.
Dense inverse_root(const Dense& s) {
  const Axes axes = principal_axes(s);
  Dense result(s.rows, s.rows);
  for (std::size_t e = 0; e < s.rows; ++e)
    for (std::size_t i = 0; i < s.rows; ++i)
      for (std::size_t j = 0; j < s.rows; ++j)
        result(i, j) += axes.rows(e, i) * axes.rows(e, j) / std::sqrt(axes.values[e]);
  return result;
}

std::vector<double> log_softmax_of(std::vector<double> scores) {
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (const double score : scores) sum += std::exp(score - largest);
  for (double& score : scores) score -= largest + std::log(sum);
  return scores;
}

struct Means {
  std::vector<std::vector<double>> mean;
  std::vector<double> rows;
};

Means means_of(const Dense& x, const std::vector<std::int32_t>& labels, std::size_t classes) {
  Means m{std::vector<std::vector<double>>(classes, std::vector<double>(x.cols)), std::vector<double>(classes)};
  for (std::size_t i = 0; i < x.rows; ++i) {
    if (labels[i] < 0) continue;
    m.rows[static_cast<std::size_t>(labels[i])] += 1;
    for (std::size_t d = 0; d < x.cols; ++d) m.mean[static_cast<std::size_t>(labels[i])][d] += x(i, d);
  }
  for (std::size_t c = 0; c < classes; ++c)
    for (double& value : m.mean[c])
      if (m.rows[c] > 0) value /= m.rows[c];
  return m;
}

}  // namespace

Dense transformed(const Dense& x, double exponent, const std::vector<double>& mean) {
  Dense z = x;
  for (std::size_t i = 0; i < z.rows; ++i) {
    double square = 0;
    for (std::size_t d = 0; d < z.cols; ++d) {
      if (exponent != 1) z(i, d) = std::pow(std::max(z(i, d), 0.0), exponent);
      if (!mean.empty()) z(i, d) -= mean[d];
      square += z(i, d) * z(i, d);
    }
    for (std::size_t d = 0; d < z.cols && square > 0; ++d) z(i, d) /= std::sqrt(square);
  }
  return z;
}

Lda lda(const Dense& base, const std::vector<std::int32_t>& base_labels, const Dense& novel,
        const std::vector<std::int32_t>& novel_labels, const Dense& tests, std::size_t classes, double shrinkage,
        double label_weight) {
  const std::size_t dim = base.cols;
  const Means own = means_of(base, base_labels, classes), few = means_of(novel, novel_labels, classes);
  std::vector<std::size_t> bases;
  for (std::size_t c = 0; c < classes; ++c)
    if (own.rows[c] > 0) bases.push_back(c);
  const double base_classes = static_cast<double>(bases.size());
  std::vector<double> mu(dim);
  for (const std::size_t c : bases)
    for (std::size_t d = 0; d < dim; ++d) mu[d] += own.mean[c][d] / base_classes;

  double rows = 0, trace = 0, total = 0;
  Dense s(dim, dim);
  for (std::size_t i = 0; i < base.rows; ++i) {
    if (base_labels[i] < 0) continue;
    const std::vector<double>& mean = own.mean[static_cast<std::size_t>(base_labels[i])];
    rows += 1;
    for (std::size_t a = 0; a < dim; ++a) {
      total += (base(i, a) - mu[a]) * (base(i, a) - mu[a]);
      for (std::size_t b = 0; b < dim; ++b) s(a, b) += (base(i, a) - mean[a]) * (base(i, b) - mean[b]);
    }
  }
  for (double& value : s.values) value /= std::max(rows, 1.0);
  for (std::size_t d = 0; d < dim; ++d) trace += s(d, d);
  trace = std::max(trace, 1e-6 * total / std::max(rows, 1.0));
  if (trace == 0) trace = static_cast<double>(dim);
  for (std::size_t a = 0; a < dim; ++a)
    for (std::size_t b = 0; b < dim; ++b)
      s(a, b) = (1 - shrinkage) * s(a, b) + (a == b ? shrinkage * trace / static_cast<double>(dim) : 0);
  if (bases.empty())
    for (std::size_t d = 0; d < dim; ++d) s(d, d) = 1;
  const Dense root = inverse_root(s);
  const auto u_of = [&](std::vector<double> z) {
    for (std::size_t d = 0; d < dim; ++d) z[d] -= mu[d];
    return product(root, z);
  };

  Lda result;
  std::vector<std::vector<double>> m(classes, std::vector<double>(dim));
  for (const std::size_t c : bases) m[c] = u_of(own.mean[c]);
  if (bases.size() >= 2) {
    Dense covariance(dim, dim);
    double noise = 0;
    for (const std::size_t c : bases) {
      noise += 1 / own.rows[c] / base_classes;
      for (std::size_t a = 0; a < dim; ++a)
        for (std::size_t b = 0; b < dim; ++b) covariance(a, b) += m[c][a] * m[c][b] / (base_classes - 1);
    }
    result.between = 0;
    for (const double value : principal_axes(covariance).values)
      result.between += std::max(0.0, value - noise) / static_cast<double>(dim);

    std::vector<std::vector<double>> lead;  // of the other base classes' scores over the own one's, a base row
    for (std::size_t i = 0; i < base.rows; ++i) {
      if (base_labels[i] < 0) continue;
      const std::size_t own_class = static_cast<std::size_t>(base_labels[i]);
      const std::vector<double> u = u_of(row(base, i));
      const auto score = [&](std::size_t c) { return dot(m[c], u) - dot(m[c], m[c]) / 2; };
      lead.emplace_back();
      for (const std::size_t c : bases)
        if (c != own_class) lead.back().push_back(score(c) - score(own_class));
    }
    double best = -INFINITY;
    for (int step = 0; step < 60; ++step) {
      const double t = std::pow(10.0, -2.5 + step * 2.8 / 59);
      double likelihood = 0;
      for (const std::vector<double>& of_row : lead) {
        double sum = 0;
        for (const double value : of_row) sum += std::exp(t * value);
        likelihood -= std::log1p(sum);
      }
      if (likelihood > best) {
        best = likelihood;
        result.temperature = t;
      }
    }
  }
  for (std::size_t c = 0; c < classes; ++c)
    if (few.rows[c] > 0) {
      const double evidence = few.rows[c] * label_weight * result.between;
      m[c] = u_of(few.mean[c]);
      for (double& value : m[c]) value *= evidence / (evidence + 1);
    }

  result.scores = Dense(tests.rows, classes);
  for (std::size_t i = 0; i < tests.rows; ++i) {
    const std::vector<double> u = u_of(row(tests, i));
    std::vector<double> scores;
    for (std::size_t c = 0; c < classes; ++c) {
      scores.push_back(result.temperature * (dot(m[c], u) - dot(m[c], m[c]) / 2));
      const double norms = std::sqrt(dot(m[c], m[c]) * dot(u, u));
      result.magnitude = std::max(result.magnitude, result.temperature * (norms + dot(m[c], m[c]) / 2));
    }
    scores = log_softmax_of(scores);
    std::copy(scores.begin(), scores.end(), result.scores.values.begin() + static_cast<std::ptrdiff_t>(i * classes));
  }
  return result;
}

}  // namespace oracle
