// A step is two products of a chunk of rows while it is in cache: logits with the weights, then residuals with the rows
// themselves. Chunks are summed in a fixed number of groups, so that sums do not depend on the threads.
#include "lowshot/softmax_regression.h"

#include <fmt/format.h>

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <vector>

#include "lowshot/error.h"
#include "pca/scatter.h"
#include "pca/tile_product.h"

namespace lowshot {
namespace {

constexpr std::size_t chunk_rows = product_depth;  // one product deep
constexpr std::size_t groups = 16;                 // sums of gradients; more only for more threads than that

/// A group's share of the gradient: D x C for the weights, C for the bias. All matrices here are column-major, so that
/// Eigen's kernel (24 x 4) meets C along its short side: with 50 classes along the long one half of it was idle.
struct Share {
  Eigen::MatrixXf weights;
  Eigen::RowVectorXf bias;
  Eigen::MatrixXf logits;  // chunk_rows x C, then residuals
};

/// logits -> weight (P - Y), all rows at once.
void to_residuals(Eigen::Ref<Eigen::MatrixXf> z, std::span<const std::int32_t> labels,
                  const std::vector<float>& weight) {
  Eigen::ArrayXf most = z.col(0), sum = Eigen::ArrayXf::Zero(z.rows());
  for (Eigen::Index c = 1; c < z.cols(); ++c) most = most.max(z.col(c).array());
  for (Eigen::Index c = 0; c < z.cols(); ++c) {
    z.col(c) = (z.col(c).array() - most).exp();
    sum += z.col(c).array();
  }
  for (Eigen::Index i = 0; i < z.rows(); ++i)
    sum[i] = weight[static_cast<std::size_t>(labels[static_cast<std::size_t>(i)])] / sum[i];
  for (Eigen::Index c = 0; c < z.cols(); ++c) z.col(c).array() *= sum;
  for (Eigen::Index i = 0; i < z.rows(); ++i) {
    const std::int32_t own = labels[static_cast<std::size_t>(i)];
    z(i, own) -= weight[static_cast<std::size_t>(own)];
  }
}

/// share <- sum over rows begin .. end-1 of weight (P - Y) [row, 1].
void add_gradient(MatrixView<const float> rows, std::span<const std::int32_t> labels, const std::vector<float>& weight,
                  const Eigen::MatrixXf& y, const Eigen::RowVectorXf& bias, std::size_t begin, std::size_t end,
                  Share& share) {
  const std::size_t dim = rows.cols();
  share.weights.setZero();
  share.bias.setZero();
  for (std::size_t first = begin; first < end; first += chunk_rows) {
    const std::size_t count = std::min(chunk_rows, end - first);
    const ConstRows x(rows.row(first), index(count), index(dim), Eigen::OuterStride<>(index(dim)));
    Eigen::Ref<Eigen::MatrixXf> z = share.logits.topRows(index(count));
    z.rowwise() = bias;
    for (std::size_t d = 0; d < dim; d += product_depth) {
      const Eigen::Index depth = index(std::min(product_depth, dim - d));
      z.noalias() += x.middleCols(index(d), depth) * y.middleRows(index(d), depth);
    }
    to_residuals(z, labels.subspan(first, count), weight);
    share.weights.noalias() += x.transpose() * z;
    share.bias += z.colwise().sum();
  }
}

}  // namespace

double softmax_step(Context& context, MatrixView<const float> rows, double penalty) {
  if (rows.rows() == 0) throw Error(ErrorKind::input, "a regression needs rows and there are none");
  const int threads = context.thread_count();
  const std::size_t dim = rows.cols();
  Scatter scatter(dim);
  Matrix<float> block(std::min<std::size_t>(pca_block_rows, rows.rows()), dim);
  for (std::size_t first = 0; first < rows.rows(); first += pca_block_rows) {
    const MatrixView<float> copy = block.view().rows(0, std::min<std::size_t>(pca_block_rows, rows.rows() - first));
    std::copy_n(rows.row(first), copy.size(), copy.data());
    scatter.add(copy, threads);
  }
  // X' X / N of [x, 1] from mean and covariance
  const std::vector<double> mean = scatter.mean();
  const Matrix<double> sums = scatter.take(threads);
  Eigen::MatrixXd second(index(dim + 1), index(dim + 1));
  for (std::size_t i = 0; i < dim; ++i) {
    for (std::size_t j = i; j < dim; ++j)
      second(index(j), index(i)) = sums(i, j) / static_cast<double>(rows.rows()) + mean[i] * mean[j];
    second(index(dim), index(i)) = mean[i];
  }
  second(index(dim), index(dim)) = 1;
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(second, Eigen::EigenvaluesOnly);  // the lower triangle
  return 1 / (0.65 * solver.eigenvalues()[index(dim)] + 2 * penalty);
}

SoftmaxModel softmax_regression(Context& context, MatrixView<const float> rows, std::span<const std::int32_t> labels,
                                std::uint32_t classes, double step, const SoftmaxRegressionOptions& options) {
  const std::size_t n = rows.rows(), dim = rows.cols();
  if (n == 0 || labels.size() != n)
    throw Error(ErrorKind::usage, fmt::format("a regression of {} rows with {} labels", n, labels.size()));
  if (!(step > 0)) throw Error(ErrorKind::usage, fmt::format("a step of {} is not above 0", step));
  std::vector<std::size_t> count(classes);
  for (std::size_t i = 0; i < n; ++i) {
    if (labels[i] < 0 || labels[i] >= static_cast<std::int64_t>(classes))
      throw Error(ErrorKind::input, fmt::format("label {} of row {} is not one of {} classes", labels[i], i, classes));
    ++count[static_cast<std::size_t>(labels[i])];
  }
  const auto present = static_cast<double>(classes - std::count(count.begin(), count.end(), 0u));
  std::vector<float> weight(classes);  // of a row of each class
  for (std::size_t c = 0; c < classes; ++c)
    if (count[c] != 0) weight[c] = static_cast<float>(1 / (present * static_cast<double>(count[c])));

  const int threads = context.thread_count();
  const Eigen::Index in = index(dim), out = index(classes);
  std::vector<Share> shares(groups);
  for (Share& s : shares)
    s = {Eigen::MatrixXf(in, out), Eigen::RowVectorXf(out), Eigen::MatrixXf(index(chunk_rows), out)};
  Eigen::MatrixXd w = Eigen::MatrixXd::Zero(in + 1, out), before = w;  // the last row: the bias
  Eigen::MatrixXf y(in, out);
  Eigen::RowVectorXf bias(out);
  const std::size_t chunks = (n + chunk_rows - 1) / chunk_rows;
  for (std::uint32_t t = 0; t < options.iterations; ++t) {
    const double momentum = t / (t + 3.0);
    bool finite = true;
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static)
      for (Eigen::Index c = 0; c < out; ++c)
        for (Eigen::Index d = 0; d <= in; ++d)
          (d < in ? y(d, c) : bias[c]) = static_cast<float>(w(d, c) + momentum * (w(d, c) - before(d, c)));
#pragma omp for schedule(dynamic, 1)
      for (std::size_t g = 0; g < groups; ++g)
        add_gradient(rows, labels, weight, y, bias, std::min(n, g * chunks / groups * chunk_rows),
                     std::min(n, (g + 1) * chunks / groups * chunk_rows), shares[g]);
        // w <- y - step (gradient + 2 penalty y)
#pragma omp for schedule(static) reduction(&& : finite)
      for (Eigen::Index c = 0; c < out; ++c)
        for (Eigen::Index d = 0; d <= in; ++d) {
          const double at = w(d, c) + momentum * (w(d, c) - before(d, c));
          double gradient = d < in ? 2 * options.penalty * at : 0;
          for (const Share& s : shares) gradient += d < in ? s.weights(d, c) : s.bias[c];
          before(d, c) = w(d, c);
          w(d, c) = at - step * gradient;
          finite = finite && std::isfinite(w(d, c));
        }
    }
    if (!finite)
      throw Error(ErrorKind::usage, fmt::format("the weights of the regression overflowed in iteration {}", t + 1), "",
                  "use a smaller step");
    context.report("regression", t + 1, options.iterations, "iterations");
  }
  SoftmaxModel model{Matrix<float>(classes, dim + 1)};
  Eigen::Map<RowMajorFloat>(model.weights.data(), out, in + 1) = w.transpose().cast<float>();
  return model;
}

}  // namespace lowshot
