#include "oracle/own_data.h"

#include <algorithm>
#include <cmath>

#include "oracle/fusion.h"
#include "oracle/principal_axes.h"

namespace oracle {
namespace {

using Row = std::vector<double>;

Row row_of(const Dense& x, std::size_t i) {
  return {x.values.begin() + static_cast<std::ptrdiff_t>(i * x.cols),
          x.values.begin() + static_cast<std::ptrdiff_t>((i + 1) * x.cols)};
}

// x' S^-1 y, S = V diag(e) V'.
double inverse_product(const Axes& s, const Row& x, const Row& y) {
  double sum = 0;
  for (std::size_t e = 0; e < s.values.size(); ++e) {
    double a = 0, b = 0;
    for (std::size_t d = 0; d < x.size(); ++d) a += s.rows(e, d) * x[d], b += s.rows(e, d) * y[d];
    sum += a * b / s.values[e];
  }
  return sum;
}

double log_share(const Row& scores, std::size_t c, double t) {
  const double most = *std::max_element(scores.begin(), scores.end());
  double sum = 0;
  for (const double s : scores) sum += std::exp(t * (s - most));
  return t * (scores[c] - most) - std::log(sum);
}

}  // namespace

Dense own_data(const Dense& z, const std::vector<std::int32_t>& labels, const Dense& votes, double shrinkage,
               double labels_of_others, double share, int rounds) {
  const std::size_t n = z.rows, dim = z.cols, classes = votes.cols;
  std::vector<std::size_t> h(n);  // classes: none
  for (std::size_t i = 0; i < n; ++i) {
    const Row v = row_of(votes, i);
    const auto best = std::max_element(v.begin(), v.end());
    h[i] = labels[i] >= 0 ? static_cast<std::size_t>(labels[i])
                          : (*best > 0 ? static_cast<std::size_t>(best - v.begin()) : classes);
  }
  Dense logs(n, classes);
  for (int round = 0; round < rounds; ++round) {
    std::vector<double> others(classes + 1), weight(classes + 1), rows(classes + 1);
    for (std::size_t i = 0; i < n; ++i)
      if (labels[i] < 0) others[h[i]] += 1;
    std::vector<Row> mean(classes + 1, Row(dim));
    for (std::size_t i = 0; i < n; ++i) {
      const double w = labels[i] >= 0 ? 1 : std::min(1.0, labels_of_others / others[h[i]]);
      weight[h[i]] += w;
      rows[h[i]] += 1;
      for (std::size_t d = 0; d < dim; ++d) mean[h[i]][d] += w * z(i, d);
    }
    Row mu(dim);
    double known = 0;
    for (std::size_t c = 0; c <= classes; ++c) {
      if (rows[c] == 0) continue;
      for (double& value : mean[c]) value /= weight[c];
      if (c == classes) continue;
      known += 1;
      for (std::size_t d = 0; d < dim; ++d) mu[d] += mean[c][d];
    }
    for (double& value : mu) value /= std::max(known, 1.0);
    Dense s(dim, dim);
    double trace = 0;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t a = 0; a < dim; ++a)
        for (std::size_t b = 0; b < dim; ++b)
          s(a, b) += (z(i, a) - mean[h[i]][a]) * (z(i, b) - mean[h[i]][b]) / static_cast<double>(n);
    for (std::size_t d = 0; d < dim; ++d) trace += s(d, d);
    for (std::size_t a = 0; a < dim; ++a)
      for (std::size_t b = 0; b < dim; ++b)
        s(a, b) = trace < 1e-9
                      ? (a == b ? 1 : 0)
                      : (1 - shrinkage) * s(a, b) + (a == b ? shrinkage * trace / static_cast<double>(dim) : 0);
    const Axes axes = principal_axes(s);
    std::vector<Row> scores(n, Row(classes));
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t c = 0; c < classes; ++c) {
        if (rows[c] == 0) continue;  // at mu
        Row apart(dim), from(dim);
        for (std::size_t d = 0; d < dim; ++d)
          apart[d] = mean[c][d] - mu[d], from[d] = z(i, d) - (mean[c][d] + mu[d]) / 2;
        scores[i][c] = inverse_product(axes, apart, from);
      }
    const auto likelihood = [&](double t) {
      double sum = 0;
      for (std::size_t i = 0; i < n; ++i)
        if (h[i] < classes) sum += log_share(scores[i], h[i], t);
      return sum;
    };
    double low = 1e-3, high = 2;  // by thirds: it has one summit
    while (high - low > 1e-7) {
      const double a = low + (high - low) / 3, b = high - (high - low) / 3;
      (likelihood(a) < likelihood(b) ? low : high) = likelihood(a) < likelihood(b) ? a : b;
    }
    const double temperature = (low + high) / 2;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t c = 0; c < classes; ++c) logs(i, c) = log_share(scores[i], c, temperature);
    const Dense both = fused(votes, logs, std::vector<double>(classes), share);
    for (std::size_t i = 0; i < n; ++i) {
      if (labels[i] >= 0) continue;
      const Row v = row_of(both, i);
      h[i] = static_cast<std::size_t>(std::max_element(v.begin(), v.end()) - v.begin());
    }
  }
  return logs;
}

}  // namespace oracle
