#include <algorithm>
#include <cassert>
#include <cmath>

#include "lowshot/recipe.h"

namespace lowshot {
namespace {

constexpr double least_share = 1e-4;  // of a class that no label reached: one row in ten thousand

}  // namespace

double novel_offset(std::uint64_t labels) {
  return labels == 0 ? 0 : std::max(0.0, 1.25 - 0.35 * std::log(static_cast<double>(labels)));
}

void fuse(Context& context, MatrixView<const float> votes, std::span<const float> offset, double a,
          MatrixView<float> scores) {
  assert(votes.rows() == scores.rows() && votes.cols() == scores.cols() &&
         (offset.empty() || offset.size() == scores.cols()));
  const double silent = -std::log(static_cast<double>(std::max<std::size_t>(scores.cols(), 1)));
  const int threads = context.thread_count();
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t i = 0; i < scores.rows(); ++i) {
    double sum = 0;
    for (const float v : votes.row_span(i)) sum += v;
    for (std::size_t c = 0; c < scores.cols(); ++c) {
      const double d = sum > 0 ? std::log(votes(i, c) / sum + least_share) : silent;
      scores(i, c) = static_cast<float>((1 - a) * d + a * scores(i, c) + (offset.empty() ? 0 : offset[c]));
    }
  }
}

void softmax_rows(Context& context, MatrixView<float> scores) {
#pragma omp parallel for num_threads(context.thread_count()) schedule(static)
  for (std::size_t i = 0; i < scores.rows(); ++i) {
    const auto row = scores.row_span(i);
    const float most = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (float& value : row) sum += value = std::exp(value - most);
    for (float& value : row) value = static_cast<float>(value / sum);
  }
}

}  // namespace lowshot
