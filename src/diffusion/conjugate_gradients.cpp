#include "diffusion/conjugate_gradients.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "diffusion/weighted_product.h"

namespace lowshot::diffusion {
namespace {

constexpr std::size_t block_rows = 1024;  // of a sum: enough blocks for many threads at 100,000 rows

/// sum_i x(i, c) y(i, c) of every column.
std::vector<double> dot(int threads, MatrixView<const double> x, MatrixView<const double> y) {
  const std::size_t width = x.cols(), blocks = (x.rows() + block_rows - 1) / block_rows;
  Matrix<double> sums = Matrix<double>::zeroed(blocks, width);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t b = 0; b < blocks; ++b) {
    double* sum = sums.row(b);
    for (std::size_t i = b * block_rows; i < std::min(x.rows(), (b + 1) * block_rows); ++i)
      for (std::size_t c = 0; c < width; ++c) sum[c] += x(i, c) * y(i, c);
  }
  std::vector<double> total(width);
  for (std::size_t b = 0; b < blocks; ++b)
    for (std::size_t c = 0; c < width; ++c) total[c] += sums(b, c);
  return total;
}

/// x += diag-scaled y: x(i, c) += factor[c] y(i, c).
void add_scaled(int threads, std::span<const double> factor, MatrixView<const double> y, MatrixView<double> x) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t i = 0; i < x.rows(); ++i)
    for (std::size_t c = 0; c < x.cols(); ++c) x(i, c) += factor[c] * y(i, c);
}

}  // namespace

Solution conjugate_gradients(int threads, const RestartMatrix& a, MatrixView<const double> b, double tolerance,
                             std::uint32_t most_steps, MatrixView<double> f) {
  const std::size_t n = b.rows(), width = b.cols();
  Matrix<double> r(n, width), p(n, width), q(n, width);
  std::copy_n(b.data(), b.size(), r.data());  // r = b - A f, f = 0
  std::copy_n(b.data(), b.size(), p.data());
  const std::vector<double> root(a.root.begin(), a.root.end());
  const std::vector<double> start = dot(threads, r, r);
  std::vector<double> rho = start, step(width), back(width), beta(width);
  const auto open = [&](std::size_t c) { return rho[c] > tolerance * tolerance * start[c]; };
  const auto any_open = [&] {
    for (std::size_t c = 0; c < width; ++c)
      if (open(c)) return true;
    return false;
  };

  Solution solution;
  for (; solution.steps < most_steps && any_open(); ++solution.steps) {
    // q = p - alpha D^-1/2 B D^-1/2 p
    multiply<double>(threads, a.graph, root, p, q, [&](std::size_t i, double* row) {
      const double scale = -a.alpha * root[i];
      for (std::size_t c = 0; c < width; ++c) row[c] = p(i, c) + scale * row[c];
    });
    const std::vector<double> curvature = dot(threads, p, q);
    for (std::size_t c = 0; c < width; ++c) {
      step[c] = open(c) ? rho[c] / curvature[c] : 0;
      back[c] = -step[c];
    }
    add_scaled(threads, step, p, f);  // f += step p
    add_scaled(threads, back, q, r);  // r -= step q
    const std::vector<double> next = dot(threads, r, r);
    for (std::size_t c = 0; c < width; ++c) {
      beta[c] = open(c) ? next[c] / rho[c] : 0;
      if (open(c)) rho[c] = next[c];
    }
    // p = r + beta p
#pragma omp parallel for num_threads(threads) schedule(static)
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t c = 0; c < width; ++c) p(i, c) = r(i, c) + beta[c] * p(i, c);
  }
  for (std::size_t c = 0; c < width; ++c)
    if (start[c] > 0) solution.residual = std::max(solution.residual, std::sqrt(rho[c] / start[c]));
  return solution;
}

std::uint64_t sums_memory_a_row(std::uint64_t columns) {
  return columns * sizeof(double) / block_rows + 1;
}

}  // namespace lowshot::diffusion
