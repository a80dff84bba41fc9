// The base rows pass three times: sums of the classes, scatter about the classes' means, likelihood of t. Deviations
// from the means, not moments about the origin, so that a class of equal rows has covariance 0 to the last bit.
//
// S = R R' (Cholesky) stands for the symmetric root: u differs by a rotation, and products, norms and eigenvalues do
// not. A symmetric root is an eigen decomposition: 4.5 s instead of 0.3 s at 2,048 dimensions.
#include "lowshot/lda.h"

#include <fmt/format.h>

#include <Eigen/Cholesky>
#include <Eigen/Eigenvalues>
#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>

#include "lowshot/error.h"
#include "pca/scatter.h"

namespace lowshot {
namespace {

using RowMajorFloat = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using RowMajorDouble = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using DoubleRows = Eigen::Map<RowMajorDouble>;
using ConstDoubleRows = Eigen::Map<const RowMajorDouble>;

constexpr std::size_t strip_columns = 64;  // of one thread in a sum over rows: whole cache lines
constexpr std::size_t chunk_rows = 64;     // of one thread in the likelihood; sums over rows are cut here
constexpr std::size_t temperature_count = 60;
constexpr double least_within = 1e-6;  // of the trace of all rows' covariance: above the rounding of float32 rows

std::array<double, temperature_count> temperatures() {
  std::array<double, temperature_count> values;
  for (std::size_t i = 0; i < temperature_count; ++i)
    values[i] = std::pow(10.0, -2.5 + 2.8 * static_cast<double>(i) / (temperature_count - 1));
  return values;
}

Eigen::Index index(std::size_t i) {
  return static_cast<Eigen::Index>(i);
}

void check(const RowSource& x, std::span<const std::int32_t> labels, std::uint32_t classes, const LdaOptions& options) {
  if (!(options.shrinkage > 0 && options.shrinkage <= 1))
    throw Error(ErrorKind::usage, fmt::format("a shrinkage of {} is not above 0 and at most 1", options.shrinkage));
  if (!(options.label_weight > 0))
    throw Error(ErrorKind::usage, fmt::format("a label weight of {} is not above 0", options.label_weight));
  if (labels.size() != x.rows())
    throw Error(ErrorKind::usage, fmt::format("{} labels are given for {} rows", labels.size(), x.rows()), x.name());
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] < -1 || labels[i] >= static_cast<std::int64_t>(classes))
      throw Error(ErrorKind::input, fmt::format("label {} is not one of {} classes", labels[i], classes),
                  fmt::format("{}, row {}", x.name(), i));
}

/// A pass over the labelled rows, transformed: `use(z, labels)` once a block; z may be overwritten.
class Blocks {
 public:
  Blocks(RowSource& x, std::span<const std::int32_t> labels, const RowTransform& transform)
      : x_(x),
        labels_(labels),
        transform_(transform),
        buffer_(static_cast<std::size_t>(std::min<std::uint64_t>(pca_block_rows, x.rows())), x.dim()) {}

  template <typename Use>
  void pass(Context& context, Use use) {
    std::vector<std::int32_t> kept;
    for (std::uint64_t first = 0; first < x_.rows(); first += pca_block_rows) {
      const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(pca_block_rows, x_.rows() - first));
      const MatrixView<float> block = buffer_.view().rows(0, count);
      x_.read(first, block);
      kept.clear();
      for (std::size_t i = 0; i < count; ++i) {
        const std::int32_t label = labels_[first + i];
        if (label < 0) continue;
        require_finite(block.rows(i, i + 1), x_.name(), first + i);
        if (i != kept.size()) std::memcpy(block.row(kept.size()), block.row(i), block.cols() * sizeof(float));
        kept.push_back(label);
      }
      const MatrixView<float> z = block.rows(0, kept.size());
      transform_rows(context, transform_, z);
      use(z, std::span<const std::int32_t>(kept));
    }
  }

 private:
  RowSource& x_;
  std::span<const std::int32_t> labels_;
  const RowTransform& transform_;
  Matrix<float> buffer_;
};

/// sums[label of row] += row.
void add_to_classes(MatrixView<const float> z, std::span<const std::int32_t> labels, Matrix<double>& sums,
                    int threads) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t first = 0; first < z.cols(); first += strip_columns)
    for (std::size_t i = 0; i < z.rows(); ++i) {
      double* sum = sums.row(static_cast<std::size_t>(labels[i]));
      for (std::size_t d = first; d < std::min(z.cols(), first + strip_columns); ++d) sum[d] += z(i, d);
    }
}

/// Sums to means, in place.
void divide(Matrix<double>& sums, std::span<const std::uint64_t> rows) {
  for (std::size_t c = 0; c < sums.rows(); ++c)
    for (double& value : sums.view().row_span(c))
      if (rows[c] != 0) value /= static_cast<double>(rows[c]);
}

void load_transformed(Context& context, const RowTransform& transform, const DescriptorView& x, MatrixView<float> z) {
  for (std::size_t i = 0; i < z.rows(); ++i)
    if (const float* row = x.load(i, z.row(i)); row != z.row(i)) std::copy_n(row, z.cols(), z.row(i));
  transform_rows(context, transform, z);
}

/// m <- R^-1 (m - mu), every row.
void whiten(const LdaFit& fit, Eigen::Ref<RowMajorDouble> means) {
  const auto dim = index(fit.root.rows());
  means.rowwise() -= Eigen::Map<const Eigen::RowVectorXd>(fit.centre.data(), dim);
  const ConstDoubleRows root(fit.root.data(), dim, dim);
  root.triangularView<Eigen::Lower>().transpose().solveInPlace<Eigen::OnTheRight>(means);
}

/// R of S = (1 - lam) S_w + lam tr(S_w)/D I. `scatter`: upper triangle, summed over `rows` rows; `total`: the trace of
/// the covariance of all rows.
Matrix<double> root_of(Matrix<double> scatter, double rows, double total, double lam) {
  const std::size_t dim = scatter.rows();
  double trace = 0;
  for (std::size_t d = 0; d < dim; ++d) trace += scatter(d, d) / rows;
  trace = std::max(trace, least_within * total);
  const double scale = trace > 0 ? trace / static_cast<double>(dim) : 1.0;
  DoubleRows s(scatter.data(), index(dim), index(dim));
  s *= (1 - lam) / rows;
  s.diagonal().array() += lam * scale;
  const Eigen::LLT<RowMajorDouble, Eigen::Upper> cholesky(s);
  s = cholesky.matrixL();
  return scatter;
}

/// b: mean over dimensions of max(0, eigenvalue of the covariance of the means - noise). The smaller of the two Gram
/// matrices has all eigenvalues that are not 0.
double between_classes(const RowMajorDouble& means, double noise) {
  const double divisor = static_cast<double>(means.rows() - 1);
  const Eigen::MatrixXd gram = means.rows() < means.cols() ? Eigen::MatrixXd(means * means.transpose() / divisor)
                                                           : Eigen::MatrixXd(means.transpose() * means / divisor);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(gram, Eigen::EigenvaluesOnly);
  double sum = 0;
  for (const double value : solver.eigenvalues()) sum += std::max(0.0, value - noise);
  return sum / static_cast<double>(means.cols());
}

/// score_c = t (m_c . u - |m_c|^2 / 2) as weights of z and a bias: w = t R'^-1 m_c, bias = -t |m_c|^2 / 2 - w . mu.
SoftmaxModel affine_model(const LdaFit& fit, const RowMajorDouble& means, double t) {
  const auto dim = index(fit.root.rows());
  RowMajorDouble w = means;
  const ConstDoubleRows root(fit.root.data(), dim, dim);
  root.triangularView<Eigen::Lower>().solveInPlace<Eigen::OnTheRight>(w);
  const Eigen::Map<const Eigen::VectorXd> centre(fit.centre.data(), dim);
  SoftmaxModel model{Matrix<float>(static_cast<std::size_t>(means.rows()), fit.root.rows() + 1)};
  for (Eigen::Index c = 0; c < means.rows(); ++c) {
    float* row = model.weights.row(static_cast<std::size_t>(c));
    for (Eigen::Index d = 0; d < dim; ++d) row[d] = static_cast<float>(t * w(c, d));
    row[dim] = static_cast<float>(-t * (means.row(c).squaredNorm() / 2 + w.row(c).dot(centre)));
  }
  return model;
}

/// t: the temperature that makes the base rows most likely. All 60 in one pass: a logit of 512 products costs as much
/// as 20 of its exponentials, so that passes of a bisection (the likelihood is concave in t) would cost more.
/// Log-probabilities stand for the scores: softmax(t score) = softmax(t log softmax(score)). With d_k = score_k - own
/// score, -log P(own) = log(1 + sum of exp(t d_k)): exact also where P is nearly 1, as with rows fewer than dimensions.
double most_likely_temperature(Context& context, Blocks& blocks, const LdaFit& fit) {
  std::vector<std::int32_t> place(fit.classes(), -1);  // of a class among the base classes
  std::vector<std::size_t> base;
  for (std::size_t c = 0; c < fit.classes(); ++c)
    if (fit.rows[c] != 0) {
      place[c] = static_cast<std::int32_t>(base.size());
      base.push_back(c);
    }
  RowMajorDouble means(index(base.size()), index(fit.means.cols()));
  for (std::size_t j = 0; j < base.size(); ++j)
    means.row(index(j)) = Eigen::Map<const Eigen::RowVectorXd>(fit.means.row(base[j]), means.cols());
  const SoftmaxModel model = affine_model(fit, means, 1);

  const auto values = temperatures();
  std::array<double, temperature_count> likelihood = {};
  const int threads = context.thread_count();
  blocks.pass(context, [&](MatrixView<float> z, std::span<const std::int32_t> labels) {
    Matrix<float> scores(z.rows(), base.size());
    log_softmax(context, model, DescriptorView(z), scores);
    const std::size_t chunks = (z.rows() + chunk_rows - 1) / chunk_rows;
    Matrix<double> sums = Matrix<double>::zeroed(chunks, temperature_count);
#pragma omp parallel for num_threads(threads) schedule(dynamic)
    for (std::size_t chunk = 0; chunk < chunks; ++chunk) {
      Eigen::ArrayXf row(index(base.size()));
      for (std::size_t i = chunk * chunk_rows; i < std::min(z.rows(), (chunk + 1) * chunk_rows); ++i) {
        std::memcpy(row.data(), scores.row(i), base.size() * sizeof(float));
        const std::int32_t own = place[static_cast<std::size_t>(labels[i])];
        row -= row[own];
        row[own] = -std::numeric_limits<float>::infinity();
        const float most = std::max(0.0f, row.maxCoeff());  // 0: the row's own class is the best
        row -= most;
        for (std::size_t t = 0; t < temperature_count; ++t) {
          const double others = (row * static_cast<float>(values[t])).exp().sum(), above = values[t] * most;
          sums(chunk, t) -= most == 0 ? std::log1p(others) : above + std::log(others + std::exp(-above));
        }
      }
    }
    for (std::size_t chunk = 0; chunk < chunks; ++chunk)
      for (std::size_t t = 0; t < temperature_count; ++t) likelihood[t] += sums(chunk, t);
  });
  const auto best = std::max_element(likelihood.begin(), likelihood.end()) - likelihood.begin();
  return values[static_cast<std::size_t>(best)];
}

}  // namespace

LdaFit fit_lda(Context& context, RowSource& x, std::span<const std::int32_t> labels, std::uint32_t classes,
               const LdaOptions& options) {
  check(x, labels, classes, options);
  const Phase phase(context, "LDA");
  const std::size_t dim = x.dim();
  const int threads = context.thread_count();
  Blocks blocks(x, labels, options.transform);

  LdaFit fit;
  fit.transform = options.transform;
  fit.shrinkage = options.shrinkage;
  fit.label_weight = options.label_weight;
  fit.rows.resize(classes);
  for (const std::int32_t label : labels)
    if (label >= 0) ++fit.rows[static_cast<std::size_t>(label)];
  const auto base_classes = classes - static_cast<std::uint32_t>(std::count(fit.rows.begin(), fit.rows.end(), 0u));
  double rows = 0, noise = 0;
  for (const std::uint64_t n : fit.rows) {
    rows += static_cast<double>(n);
    if (n != 0) noise += 1 / (static_cast<double>(n) * base_classes);
  }
  fit.centre.resize(dim);
  fit.means = Matrix<double>::zeroed(classes, dim);
  if (base_classes == 0) {
    fit.root = Matrix<double>::zeroed(dim, dim);
    for (std::size_t d = 0; d < dim; ++d) fit.root(d, d) = 1;
    return fit;
  }

  // means <- mean of z over each class; mu
  blocks.pass(context, [&](MatrixView<float> z, std::span<const std::int32_t> own) {
    add_to_classes(z, own, fit.means, threads);
  });
  divide(fit.means, fit.rows);
  for (std::size_t c = 0; c < classes; ++c)
    for (std::size_t d = 0; d < dim; ++d) fit.centre[d] += fit.means(c, d) / base_classes;

  Scatter scatter(dim);
  // scatter <- sum over rows of (z - m_c)(z - m_c)'
  blocks.pass(context, [&](MatrixView<float> z, std::span<const std::int32_t> own) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (std::size_t i = 0; i < z.rows(); ++i) {
      const double* mean = fit.means.row(static_cast<std::size_t>(own[i]));
      for (std::size_t d = 0; d < dim; ++d) z(i, d) = static_cast<float>(z(i, d) - mean[d]);
    }
    scatter.add(z, threads);
  });
  Matrix<double> within = scatter.take(threads);
  double total = 0;
  for (std::size_t d = 0; d < dim; ++d) total += within(d, d) / rows;
  for (std::size_t c = 0; c < classes; ++c)
    for (std::size_t d = 0; d < dim && fit.rows[c] != 0; ++d)
      total += static_cast<double>(fit.rows[c]) / rows * std::pow(fit.means(c, d) - fit.centre[d], 2);
  fit.root = root_of(std::move(within), rows, total, options.shrinkage);

  // m_c <- R^-1 (m_c - mu)
  whiten(fit, DoubleRows(fit.means.data(), index(classes), index(dim)));
  for (std::size_t c = 0; c < classes; ++c)
    if (fit.rows[c] == 0) std::fill_n(fit.means.row(c), dim, 0.0);
  if (base_classes < 2) return fit;

  RowMajorDouble base(base_classes, index(dim));
  for (std::size_t c = 0, j = 0; c < classes; ++c)
    if (fit.rows[c] != 0) base.row(index(j++)) = Eigen::Map<const Eigen::RowVectorXd>(fit.means.row(c), index(dim));
  fit.between = between_classes(base, noise);
  fit.temperature = most_likely_temperature(context, blocks, fit);
  return fit;
}

SoftmaxModel lda_model(Context& context, const LdaFit& fit, const DescriptorView& x,
                       std::span<const std::int32_t> labels) {
  const std::size_t dim = fit.means.cols();
  std::vector<std::uint64_t> rows(fit.classes());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const bool known = labels[i] >= 0 && static_cast<std::size_t>(labels[i]) < fit.classes();
    if (!known || fit.rows[static_cast<std::size_t>(labels[i])] != 0)
      throw Error(ErrorKind::input,
                  fmt::format("label {} is {}", labels[i],
                              known ? "of a class that was fitted as a base class"
                                    : fmt::format("not one of {} classes", fit.classes())),
                  fmt::format("labelled row {}", i));
    ++rows[static_cast<std::size_t>(labels[i])];
  }
  Matrix<float> z(x.rows(), x.cols());
  load_transformed(context, fit.transform, x, z);
  Matrix<double> novel = Matrix<double>::zeroed(fit.classes(), dim);
  add_to_classes(z, labels, novel, context.thread_count());
  divide(novel, rows);
  RowMajorDouble means = DoubleRows(novel.data(), index(novel.rows()), index(dim));
  whiten(fit, means);
  for (std::size_t c = 0; c < fit.classes(); ++c) {
    const double evidence = static_cast<double>(rows[c]) * fit.label_weight * fit.between;
    if (fit.rows[c] != 0)
      means.row(index(c)) = Eigen::Map<const Eigen::RowVectorXd>(fit.means.row(c), index(dim));
    else
      means.row(index(c)) *= evidence / (evidence + 1);  // no label: 0, at mu
  }
  return affine_model(fit, means, fit.temperature);
}

void lda_log_softmax(Context& context, const RowTransform& transform, const SoftmaxModel& model,
                     const DescriptorView& x, MatrixView<float> out) {
  Matrix<float> z(std::min<std::size_t>(pca_block_rows, x.rows()), x.cols());
  for (std::size_t first = 0; first < x.rows(); first += pca_block_rows) {
    const std::size_t last = std::min<std::size_t>(x.rows(), first + pca_block_rows);
    const MatrixView<float> block = z.view().rows(0, last - first);
    load_transformed(context, transform, x.rows(first, last), block);
    log_softmax(context, model, DescriptorView(block), out.rows(first, last));
  }
}

LinearMap whitening(const LdaFit& fit) {
  const auto dim = index(fit.root.rows());
  const ConstDoubleRows root(fit.root.data(), dim, dim);
  RowMajorDouble inverse = RowMajorDouble::Identity(dim, dim);
  root.triangularView<Eigen::Lower>().solveInPlace(inverse);
  LinearMap map;
  map.a = Matrix<float>(fit.root.rows(), fit.root.rows());
  map.b.resize(fit.root.rows());
  Eigen::Map<RowMajorFloat>(map.a.data(), dim, dim) = inverse.cast<float>();
  const Eigen::Map<const Eigen::VectorXd> centre(fit.centre.data(), dim);
  Eigen::Map<Eigen::VectorXf>(map.b.data(), dim) = (-inverse * centre).cast<float>();
  return map;
}

LinearMap spreading(const LdaFit& fit, double shrinkage, double power) {
  assert(fit.shrinkage < 1);
  const auto dim = index(fit.root.rows());
  const ConstDoubleRows root(fit.root.data(), dim, dim);
  // S(lam) = (1 - lam) S_w + lam s I has the trace D s of S_w, so it also tells S_w.
  RowMajorDouble s = root * root.transpose();
  const double scale = s.trace() / static_cast<double>(dim);
  s.diagonal().array() -= fit.shrinkage * scale;
  s *= (1 - shrinkage) / (1 - fit.shrinkage);
  s.diagonal().array() += shrinkage * scale;
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(s);
  const Eigen::VectorXd values = solver.eigenvalues().cwiseMax(scale * 1e-12).array().pow(-power);
  LinearMap map;
  map.a = Matrix<float>(fit.root.rows(), fit.root.rows());
  Eigen::Map<RowMajorFloat>(map.a.data(), dim, dim) =
      (solver.eigenvectors() * values.asDiagonal() * solver.eigenvectors().transpose()).cast<float>();
  return map;
}

SoftmaxModel behind(const LinearMap& map, const SoftmaxModel& model) {
  const auto classes = index(model.classes()), in = index(map.in()), out = index(map.out());
  const Eigen::Map<const RowMajorFloat> weights(model.weights.data(), classes, out + 1), a(map.a.data(), out, in);
  SoftmaxModel result{Matrix<float>(model.classes(), map.in() + 1)};
  Eigen::Map<RowMajorFloat> all(result.weights.data(), classes, in + 1);
  const RowMajorDouble w = weights.leftCols(out).cast<double>();
  all.leftCols(in) = (w * a.cast<double>()).cast<float>();
  Eigen::VectorXd bias = weights.col(out).cast<double>();
  if (!map.b.empty()) bias += w * Eigen::Map<const Eigen::VectorXf>(map.b.data(), out).cast<double>();
  all.col(in) = bias.cast<float>();
  return result;
}

std::uint64_t fit_lda_memory(std::uint64_t classes, std::uint64_t dim) {
  // Scatter, its Cholesky factor and a copy of it while it is made; means of all and of base classes, whitened; blocks.
  return 3 * dim * dim * sizeof(double) + 3 * classes * dim * sizeof(double) +
         pca_block_rows * (dim + classes) * sizeof(float);
}

}  // namespace lowshot
