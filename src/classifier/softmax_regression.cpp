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

using Residuals = Eigen::Map<RowMajorFloat>;

/// A group's share of the gradient: D x C for the weights, C for the bias.
struct Share {
  Matrix<float> weights;
  std::vector<float> bias;
  Matrix<float> chunk;  // chunk_rows x C: logits, then residuals
};

/// logits -> weight (P - Y), row by row.
void to_residuals(MatrixView<float> z, std::span<const std::int32_t> labels, const std::vector<float>& weight) {
  for (std::size_t i = 0; i < z.rows(); ++i) {
    Eigen::Map<Eigen::ArrayXf> row(z.row(i), index(z.cols()));
    const auto own = static_cast<std::size_t>(labels[i]);
    row = (row - row.maxCoeff()).exp();
    row *= weight[own] / row.sum();
    row[index(own)] -= weight[own];
  }
}

/// share <- sum over rows begin .. end-1 of weight (P - Y) [row, 1].
void add_gradient(MatrixView<const float> rows, std::span<const std::int32_t> labels, const std::vector<float>& weight,
                  MatrixView<const float> transposed, const std::vector<float>& bias, std::size_t begin,
                  std::size_t end, Share& share) {
  const std::size_t classes = bias.size(), dim = rows.cols();
  Residuals gradient(share.weights.data(), index(dim), index(classes));
  gradient.setZero();
  std::fill(share.bias.begin(), share.bias.end(), 0.0f);
  for (std::size_t first = begin; first < end; first += chunk_rows) {
    const std::size_t count = std::min(chunk_rows, end - first);
    const MatrixView<float> z = share.chunk.view().rows(0, count);
    for (std::size_t i = 0; i < count; ++i) std::copy(bias.begin(), bias.end(), z.row(i));
    add_product(rows.row(first), count, transposed, z.data());
    to_residuals(z, labels.subspan(first, count), weight);
    const Residuals residuals(z.data(), index(count), index(classes));
    const ConstRows x(rows.row(first), index(count), index(dim), Eigen::OuterStride<>(index(dim)));
    gradient.noalias() += x.transpose() * residuals;
    for (std::size_t i = 0; i < count; ++i)
      for (std::size_t c = 0; c < classes; ++c) share.bias[c] += z(i, c);
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
  std::vector<Share> shares(groups);
  for (Share& s : shares) s = {Matrix<float>(dim, classes), std::vector<float>(classes), {}};
  for (Share& s : shares) s.chunk = Matrix<float>(chunk_rows, classes);
  // w and y, transposed: row d the weights of dimension d, the last row the bias
  Matrix<double> w = Matrix<double>::zeroed(dim + 1, classes), before = Matrix<double>::zeroed(dim + 1, classes);
  Matrix<float> y(dim, classes);
  std::vector<float> bias(classes);
  const std::size_t chunks = (n + chunk_rows - 1) / chunk_rows;
  for (std::uint32_t t = 0; t < options.iterations; ++t) {
    const double momentum = t / (t + 3.0);
    bool finite = true;
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static)
      for (std::size_t d = 0; d <= dim; ++d)
        for (std::size_t c = 0; c < classes; ++c)
          (d < dim ? y(d, c) : bias[c]) = static_cast<float>(w(d, c) + momentum * (w(d, c) - before(d, c)));
#pragma omp for schedule(dynamic, 1)
      for (std::size_t g = 0; g < groups; ++g)
        add_gradient(rows, labels, weight, y, bias, std::min(n, g * chunks / groups * chunk_rows),
                     std::min(n, (g + 1) * chunks / groups * chunk_rows), shares[g]);
        // w <- y - step (gradient + 2 penalty y)
#pragma omp for schedule(static) reduction(&& : finite)
      for (std::size_t d = 0; d <= dim; ++d)
        for (std::size_t c = 0; c < classes; ++c) {
          const double at = w(d, c) + momentum * (w(d, c) - before(d, c));
          double gradient = d < dim ? 2 * options.penalty * at : 0;
          for (const Share& s : shares) gradient += d < dim ? s.weights(d, c) : s.bias[c];
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
  for (std::size_t c = 0; c < classes; ++c)
    for (std::size_t d = 0; d <= dim; ++d) model.weights(c, d) = static_cast<float>(w(d, c));
  return model;
}

}  // namespace lowshot
