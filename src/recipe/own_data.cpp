// Sums over rows of each class say everything: the covariance about any means m_c is
//   sum (z - m_c)(z - m_c)' = Z'Z - sum_c (m_c s_c' + s_c m_c' - n_c m_c m_c'), s_c: the sum of the class's n_c rows,
// and Z'Z does not depend on labels. So each fold of a hold-out is refitted exactly at the cost of its class sums.
#include "lowshot/own_data.h"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cassert>
#include <cmath>
#include <numeric>
#include <vector>

#include "lowshot/descriptors.h"
#include "lowshot/recipe.h"

namespace lowshot {
namespace {

using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Floats = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr std::size_t strip_columns = 64;  // of one thread in a sum over rows: whole cache lines
constexpr std::size_t block_rows = 1024;
constexpr std::size_t scale_rows = 2048;
constexpr double least_scale = 1e-3, most_scale = 2;
constexpr int scale_steps = 20;                 // to 1e-5 of t
constexpr std::size_t worth_threads = 1 << 15;  // exponentials a step, some 30 us
constexpr double least_variance = 1e-12;        // of rows of norm 1: what float32 rounding leaves of equal rows

Eigen::Index index(std::size_t i) {
  return static_cast<Eigen::Index>(i);
}

/// Which rows are of which class; the last "class" holds the rows of which nothing is known.
struct Members {
  std::vector<std::int32_t> of_row;
  std::vector<double> labelled, others;  // how many, a class
};

std::int32_t best_class(std::span<const float> row, bool positive) {
  const auto best = std::max_element(row.begin(), row.end());
  if (row.empty() || (positive && !(*best > 0))) return static_cast<std::int32_t>(row.size());
  return static_cast<std::int32_t>(best - row.begin());
}

/// `scores`: rows x C. `positive`: zeros everywhere say nothing.
Members members_of(std::span<const std::int32_t> labels, MatrixView<const float> scores, bool positive) {
  Members m;
  m.of_row.resize(labels.size());
  m.labelled.resize(scores.cols() + 1);
  m.others.resize(scores.cols() + 1);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    m.of_row[i] = labels[i] >= 0 ? labels[i] : best_class(scores.row_span(i), positive);
    ++(labels[i] >= 0 ? m.labelled : m.others)[static_cast<std::size_t>(m.of_row[i])];
  }
  return m;
}

/// Means and common covariance to a classifier of temperature 1.
SoftmaxModel discriminant(MatrixView<const float> z, MatrixView<const double> products,
                          std::span<const std::int32_t> labels, const Members& members, int threads) {
  const std::size_t classes = members.labelled.size() - 1, dim = z.cols();
  RowMajor own = RowMajor::Zero(index(classes + 1), index(dim)), others = own;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t first = 0; first < dim; first += strip_columns)
    for (std::size_t i = 0; i < z.rows(); ++i) {
      double* sum = (labels[i] >= 0 ? own : others).row(members.of_row[i]).data();
      for (std::size_t d = first; d < std::min(dim, first + strip_columns); ++d) sum[d] += z(i, d);
    }

  // m_c; mu
  RowMajor means = RowMajor::Zero(index(classes + 1), index(dim));
  Eigen::RowVectorXd centre = Eigen::RowVectorXd::Zero(index(dim));
  std::size_t known = 0;
  for (std::size_t c = 0; c <= classes; ++c) {
    const double p = members.others[c], w = p > 0 ? std::min(1.0, own_data::labels_of_others / p) : 0;
    const double weight = members.labelled[c] + w * p;
    if (weight == 0) continue;
    means.row(index(c)) = (own.row(index(c)) + w * others.row(index(c))) / weight;
    if (c == classes) continue;
    centre += means.row(index(c));
    ++known;
  }
  if (known != 0) centre /= static_cast<double>(known);

  // S
  RowMajor half = own + others;  // s_c - n_c m_c / 2
  for (std::size_t c = 0; c <= classes; ++c)
    half.row(index(c)) -= (members.labelled[c] + members.others[c]) / 2 * means.row(index(c));
  RowMajor s = Eigen::Map<const RowMajor>(products.data(), index(dim), index(dim));
  const RowMajor moved = means.transpose() * half;
  s -= moved + moved.transpose();
  s /= static_cast<double>(std::max<std::size_t>(z.rows(), 1));
  const double variance = s.trace() / static_cast<double>(dim);
  if (variance > least_variance) {
    s *= 1 - own_data::shrinkage;
    s.diagonal().array() += own_data::shrinkage * variance;
  } else {
    s = RowMajor::Identity(index(dim), index(dim));
  }

  // (m_c - mu)' S^-1 (z - (m_c + mu) / 2) as weights and bias
  RowMajor apart = means.topRows(index(classes));
  for (std::size_t c = 0; c < classes; ++c) {
    if (members.labelled[c] + members.others[c] > 0)
      apart.row(index(c)) -= centre;
    else
      apart.row(index(c)).setZero();
  }
  const Eigen::LLT<Eigen::MatrixXd> cholesky(s);
  const RowMajor w = cholesky.solve(apart.transpose()).transpose();
  SoftmaxModel model{Matrix<float>(classes, dim + 1)};
  for (std::size_t c = 0; c < classes; ++c) {
    float* row = model.weights.row(c);
    for (std::size_t d = 0; d < dim; ++d) row[d] = static_cast<float>(w(index(c), index(d)));
    row[dim] = static_cast<float>(-w.row(index(c)).dot(centre) - w.row(index(c)).dot(apart.row(index(c))) / 2);
  }
  return model;
}

/// t. Log-probabilities stand for the scores: softmax(t score) = softmax(t log softmax(score)). The likelihood is
/// concave in t: its slope is halved in.
double most_likely_scale(Context& context, MatrixView<const float> logs, const Members& members) {
  const std::size_t step = std::max<std::size_t>(1, logs.rows() / scale_rows);
  std::vector<double> slope((logs.rows() + step - 1) / step);
  const int threads = slope.size() * logs.cols() < worth_threads ? 1 : context.thread_count();
  double low = std::log(least_scale), high = std::log(most_scale);
  for (int half = 0; half < scale_steps; ++half) {
    const double middle = (low + high) / 2;
    const auto t = static_cast<float>(std::exp(middle));
#pragma omp parallel for num_threads(threads) schedule(static)
    for (std::size_t r = 0; r < slope.size(); ++r) {
      const auto own = static_cast<std::size_t>(members.of_row[r * step]);
      slope[r] = 0;
      if (own >= logs.cols()) continue;
      const Eigen::Map<const Eigen::ArrayXf> row(logs.row(r * step), index(logs.cols()));
      const float most = row.maxCoeff();
      const Eigen::ArrayXf below = row - most, weight = (below * t).exp();
      slope[r] = below[index(own)] - (weight * below).sum() / weight.sum();
    }
    (std::accumulate(slope.begin(), slope.end(), 0.0) > 0 ? low : high) = middle;
  }
  return std::exp((low + high) / 2);
}

}  // namespace

Matrix<double> own_data_products(Context& context, MatrixView<const float> z) {
  const std::size_t dim = z.cols();
  Matrix<double> products = Matrix<double>::zeroed(dim, dim);
  Eigen::Map<RowMajor> sum(products.data(), index(dim), index(dim));
  for (std::size_t first = 0; first < z.rows(); first += block_rows) {
    const MatrixView<const float> block = z.rows(first, std::min(z.rows(), first + block_rows));
    const Eigen::Map<const Floats> rows(block.data(), index(block.rows()), index(dim));
#pragma omp parallel for num_threads(context.thread_count()) schedule(static)
    for (std::size_t d = 0; d < dim; d += strip_columns) {
      const auto strip = index(std::min(strip_columns, dim - d));
      sum.middleRows(index(d), strip) += (rows.middleCols(index(d), strip).transpose() * rows).cast<double>();
    }
  }
  return products;
}

OwnDataModel own_data_model(Context& context, MatrixView<const float> z, MatrixView<const double> products,
                            std::span<const std::int32_t> labels, MatrixView<const float> votes) {
  assert(labels.size() == z.rows() && votes.rows() == z.rows() && products.rows() == z.cols());
  Members members = members_of(labels, votes, true);
  Matrix<float> scores(z.rows(), votes.cols());
  OwnDataModel result;
  for (int round = 0;; ++round) {
    SoftmaxModel& model = result.classifier = discriminant(z, products, labels, members, context.thread_count());
    log_softmax(context, model, DescriptorView(z), scores);
    result.scale = most_likely_scale(context, scores, members);
    const auto t = static_cast<float>(result.scale);
    for (std::size_t i = 0; i < model.weights.size(); ++i) model.weights.data()[i] *= t;
    if (round + 1 == own_data::rounds) return result;
    log_softmax(context, model, DescriptorView(z), scores);
    fuse(context, votes, {}, own_data::classifier_share, scores);
    members = members_of(labels, scores, false);
  }
}

}  // namespace lowshot
