// A step is two products of a chunk of rows while it is in cache: logits with the weights, then residuals with the rows
// themselves, by the kernels of the stochastic training (panel_kernels.h). Chunks are summed in a fixed number of
// groups, so that sums do not depend on the threads.
#include "lowshot/softmax_regression.h"

#include <fmt/format.h>

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <vector>

#include "classifier/panels.h"
#include "lowshot/error.h"
#include "pca/scatter.h"
#include "pca/tile_product.h"

namespace lowshot {

using namespace classifier;

namespace {

// Rows of a chunk: 96 x 512 floats are 200 KB, beside weights and gradient of 50 classes (130 KB each) in 1 MiB; whole
// tiles of both kernels (12 and 4 rows).
constexpr std::uint32_t chunk_rows = 96;
constexpr std::size_t groups = 16;  // sums of gradients; more only for more threads than that

/// What the rows of all chunks are multiplied with, and what they are weighed by.
struct Problem {
  PanelKernels kernels;
  Matrix<float> x;                   // N x stride, each row with the bias's 1
  std::vector<std::int32_t> labels;  // one a row
  std::vector<float> weight;         // of a row of each class
};

/// A group's share of the gradient, and the room that its chunks are worked on in.
struct Group {
  Panels gradient;
  Matrix<float> z, maxima, sums;  // panels x (chunk_rows x panel_classes), panels x chunk_rows twice
  std::vector<float> maximum, sum;
};

Panels zero_panels(std::uint32_t classes, std::uint32_t inputs) {
  return pack({Matrix<float>::zeroed(classes, inputs)});
}

/// group.z <- weight (P - Y) of a chunk's rows, from its logits.
void to_residuals(const Problem& problem, std::size_t first, std::uint32_t count, Group& group) {
  const PanelKernels& kernels = problem.kernels;
  const std::uint32_t panels = group.gradient.count;
  for (std::uint32_t p = 0; p < panels; ++p)
    kernels.exponentials(group.z.row(p), count, group.gradient.classes_of(p), group.maxima.row(p), group.sums.row(p));
  kernels.join(group.maxima.data(), group.sums.data(), panels, chunk_rows, group.maximum.data(), group.sum.data());
  const auto label = [&](std::uint32_t b) { return static_cast<std::uint32_t>(problem.labels[first + b]); };
  for (std::uint32_t b = 0; b < count; ++b) group.sum[b] /= problem.weight[label(b)];
  for (std::uint32_t p = 0; p < panels; ++p)
    kernels.probabilities(group.z.row(p), count, group.maxima.row(p), group.maximum.data(), group.sum.data(), 1.0f);
  for (std::uint32_t b = 0; b < count; ++b)
    group.z(label(b) / panel_classes, b * panel_classes + label(b) % panel_classes) -= problem.weight[label(b)];
}

/// group.gradient <- sum over rows begin .. end-1 of weight (P - Y) [row, 1].
void sum_gradient(const Problem& problem, const Panels& y, std::size_t begin, std::size_t end, Group& group) {
  constexpr StepSizes add{.rate = -1, .decay = 0, .momentum = 0};  // a step against the gradient, turned about
  std::fill_n(group.gradient.values.data(), group.gradient.values.size(), 0.0f);
  for (std::size_t first = begin; first < end; first += chunk_rows) {
    const auto count = static_cast<std::uint32_t>(std::min<std::size_t>(chunk_rows, end - first));
    const BatchView x{problem.x.row(first), problem.x.cols(), count};
    for (std::uint32_t p = 0; p < y.count; ++p)
      for (std::uint32_t k = 0; k < y.inputs; k += input_block)
        problem.kernels.logits(x, y.panel(p), k, std::min(y.inputs, k + input_block), group.z.row(p));
    to_residuals(problem, first, count, group);
    for (std::uint32_t p = 0; p < y.count; ++p)
      problem.kernels.update(x, group.z.row(p), 0, y.inputs, add, group.gradient.panel(p), nullptr);
  }
}

/// The rows of all parts, as the kernels read them; checks the labels.
Problem make_problem(Context& context, std::span<const RegressionRows> parts, std::uint32_t classes) {
  std::size_t n = 0;
  for (const RegressionRows& part : parts) n += part.labels.size();
  const std::size_t dim = parts.empty() ? 0 : parts.front().rows.cols();
  Problem problem{panel_kernels(context.isa), Matrix<float>::zeroed(n, batch_stride(dim)), {}, {}};
  std::vector<std::size_t> count(classes);
  for (const RegressionRows& part : parts)
    for (std::size_t i = 0; i < part.labels.size(); ++i) {
      const std::int32_t label = part.labels[i];
      if (label < 0 || label >= static_cast<std::int64_t>(classes))
        throw Error(ErrorKind::input, fmt::format("label {} of row {} is not one of {} classes", label, i, classes));
      ++count[static_cast<std::size_t>(label)];
      gather(DescriptorView(part.rows), i, problem.x.row(problem.labels.size()));
      problem.labels.push_back(label);
    }
  const auto present = static_cast<double>(classes - std::count(count.begin(), count.end(), 0u));
  problem.weight.resize(classes);
  for (std::size_t c = 0; c < classes; ++c)
    if (count[c] != 0) problem.weight[c] = static_cast<float>(1 / (present * static_cast<double>(count[c])));
  return problem;
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

SoftmaxModel softmax_regression(Context& context, std::span<const RegressionRows> parts, std::uint32_t classes,
                                double step, const SoftmaxRegressionOptions& options) {
  for (const RegressionRows& part : parts)
    if (part.labels.size() != part.rows.rows() || part.rows.cols() != parts.front().rows.cols())
      throw Error(ErrorKind::usage,
                  fmt::format("a regression of {} rows with {} labels", part.rows.rows(), part.labels.size()));
  if (!(step > 0)) throw Error(ErrorKind::usage, fmt::format("a step of {} is not above 0", step));
  const Problem problem = make_problem(context, parts, classes);
  const std::size_t n = problem.labels.size();
  if (n == 0) throw Error(ErrorKind::usage, "a regression of 0 rows");

  const int threads = context.thread_count();
  const auto inputs = static_cast<std::uint32_t>(parts.front().rows.cols() + 1);
  Panels y = zero_panels(classes, inputs);
  std::vector<Group> group(groups);
  for (Group& g : group)
    g = {zero_panels(classes, inputs),
         Matrix<float>::zeroed(y.count, std::size_t{chunk_rows} * panel_classes),
         Matrix<float>::zeroed(y.count, chunk_rows),
         Matrix<float>::zeroed(y.count, chunk_rows),
         std::vector<float>(chunk_rows),
         std::vector<float>(chunk_rows)};
  const std::size_t weights = y.values.size(), chunks = (n + chunk_rows - 1) / chunk_rows;
  std::vector<double> w(weights), before(weights);  // in the order of the panels
  for (std::uint32_t t = 0; t < options.iterations; ++t) {
    const double momentum = t / (t + 3.0);
    bool finite = true;
#pragma omp parallel num_threads(threads)
    {
      // y <- w + t/(t+3) (w - w_before)
#pragma omp for schedule(static)
      for (std::size_t e = 0; e < weights; ++e)
        y.values.data()[e] = static_cast<float>(w[e] + momentum * (w[e] - before[e]));
#pragma omp for schedule(dynamic, 1)
      for (std::size_t g = 0; g < groups; ++g)
        sum_gradient(problem, y, std::min(n, g * chunks / groups * chunk_rows),
                     std::min(n, (g + 1) * chunks / groups * chunk_rows), group[g]);
        // w <- y - step (gradient + 2 penalty y)
#pragma omp for schedule(static) reduction(&& : finite)
      for (std::size_t e = 0; e < weights; ++e) {
        const bool is_bias = e / panel_classes % inputs == inputs - 1;
        const double at = w[e] + momentum * (w[e] - before[e]);
        double gradient = is_bias ? 0 : 2 * options.penalty * at;
        for (const Group& g : group) gradient += g.gradient.values.data()[e];
        before[e] = w[e];
        w[e] = at - step * gradient;
        finite = finite && std::isfinite(w[e]);
      }
    }
    if (!finite)
      throw Error(ErrorKind::usage, fmt::format("the weights of the regression overflowed in iteration {}", t + 1), "",
                  "use a smaller step");
    context.report("regression", t + 1, options.iterations, "iterations");
  }
  for (std::size_t e = 0; e < weights; ++e) y.values.data()[e] = static_cast<float>(w[e]);
  SoftmaxModel model{Matrix<float>(classes, inputs)};
  unpack(y, model);
  return model;
}

SoftmaxModel softmax_regression(Context& context, MatrixView<const float> rows, std::span<const std::int32_t> labels,
                                std::uint32_t classes, double step, const SoftmaxRegressionOptions& options) {
  const RegressionRows one{rows, labels};
  return softmax_regression(context, std::span(&one, 1), classes, step, options);
}

std::uint64_t softmax_regression_memory(std::uint64_t rows, std::uint64_t classes, std::uint64_t dim) {
  const std::uint64_t weights = (classes + panel_classes - 1) / panel_classes * panel_classes * (dim + 1);
  return rows * (batch_stride(dim) * sizeof(float) + sizeof(std::int32_t)) +
         weights * ((groups + 1) * sizeof(float) + 2 * sizeof(double));
}

}  // namespace lowshot
