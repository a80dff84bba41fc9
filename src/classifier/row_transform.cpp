// x^e is exp(e log x), eight values at a time in Eigen's approximations (relative error below 1e-6): std::pow takes
// several times as long, and would be most of the time of a fit.
#include "lowshot/row_transform.h"

#include <Eigen/Core>
#include <algorithm>
#include <cassert>
#include <cmath>

namespace lowshot {
namespace {

constexpr std::size_t block_rows = 4096;
constexpr std::size_t strip_columns = 64;  // of one thread in a sum over rows: whole cache lines

void raise(float exponent, std::span<float> values) {
  if (exponent == 1) return;
  // A row of one length is always cut into the same packets: the map starts at its own, aligned copy.
  Eigen::ArrayXf x = Eigen::Map<Eigen::ArrayXf>(values.data(), static_cast<Eigen::Index>(values.size()));
  Eigen::Map<Eigen::ArrayXf>(values.data(), x.size()) = (x > 0).select((x.log() * exponent).exp(), 0.0f);
}

}  // namespace

void transform_rows(Context& context, const RowTransform& transform, MatrixView<float> rows) {
  assert(transform.mean.empty() || transform.mean.size() == rows.cols());
  const int threads = context.thread_count();
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const std::span<float> row = rows.row_span(i);
    raise(transform.exponent, row);
    if (!transform.mean.empty())
      for (std::size_t d = 0; d < row.size(); ++d) row[d] -= transform.mean[d];
    normalise_rows(rows.rows(i, i + 1));
  }
}

RowTransform centred_power(Context& context, RowSource& source, float exponent, std::span<const std::int32_t> labels) {
  assert(labels.empty() || labels.size() == source.rows());
  const std::size_t dim = source.dim();
  const std::uint64_t n = source.rows();
  const int threads = context.thread_count();
  std::vector<double> sum(dim), power_sum(dim);
  Matrix<float> buffer(static_cast<std::size_t>(std::min<std::uint64_t>(block_rows, n)), dim);
  bool negative = false;
  std::uint64_t used = 0;
  const auto add = [&](MatrixView<const float> block, std::vector<double>& total) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (std::size_t first = 0; first < dim; first += strip_columns)
      for (std::size_t i = 0; i < block.rows(); ++i)
        for (std::size_t d = first; d < std::min(dim, first + strip_columns); ++d) total[d] += block(i, d);
  };
  for (std::uint64_t first = 0; first < n; first += block_rows) {
    const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(block_rows, n - first));
    source.read(first, buffer.view().rows(0, count));
    std::size_t kept = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (!labels.empty() && labels[first + i] < 0) continue;
      require_finite(buffer.view().rows(i, i + 1), source.name(), first + i);
      if (i != kept) std::copy_n(buffer.row(i), dim, buffer.row(kept));
      ++kept;
    }
    const MatrixView<float> block = buffer.view().rows(0, kept);
    used += kept;
    add(block, sum);
    if (negative) continue;
    int below = 0;
#pragma omp parallel for num_threads(threads) schedule(static) reduction(| : below)
    for (std::size_t i = 0; i < kept; ++i) {
      for (const float value : block.row_span(i)) below |= value < 0 ? 1 : 0;
      raise(exponent, block.row_span(i));
    }
    negative = below != 0;
    add(block, power_sum);
  }
  RowTransform result{.exponent = negative ? 1.0f : exponent, .mean = std::vector<float>(dim)};
  const std::vector<double>& total = negative ? sum : power_sum;
  for (std::size_t d = 0; d < dim && used != 0; ++d)
    result.mean[d] = static_cast<float>(total[d] / static_cast<double>(used));
  return result;
}

}  // namespace lowshot
