#pragma once
// Softmax regression to its minimum, nearly: all rows in every step, classes of equal weight, Nesterov's momentum
// (Nesterov 1983; Beck and Teboulle 2009 for the convergence). For whitened rows, which need few steps; class-balanced
// stochastic descent on raw rows is in lowshot/logreg.h.
//
//   minimise 1/C sum over classes of the mean over their rows of -log P(class | row)  +  penalty |W|^2
//   y = w + t/(t+3) (w - w_before),  w <- y - step gradient(y),  t = 0, 1, ..; from w = 0; the bias is not penalised

#include <cstdint>
#include <span>

#include "lowshot/context.h"
#include "lowshot/logreg.h"
#include "lowshot/matrix.h"

namespace lowshot {

struct SoftmaxRegressionOptions {
  std::uint32_t iterations = 300;
  double penalty = 0.005;  ///< above 0 makes the minimum unique, also where classes can be separated
};

/// 1 / (0.65 L + 2 penalty), L the largest eigenvalue of X' X / N, X: the rows with a 1 behind each. A step of which
/// 0.5 L is the bound when rows weigh the same (Boehning 1992); 0.65 leaves room for classes of few rows, which weigh
/// more. Throws Error (input) for no rows. O(N D^2 + D^3).
double softmax_step(Context& context, MatrixView<const float> rows, double penalty);

/// Rows of a regression and their classes, 0 .. classes - 1.
struct RegressionRows {
  MatrixView<const float> rows;  ///< N x D
  std::span<const std::int32_t> labels;
};

/// All parts together; they are copied, so that one that many regressions share need not be. A class without rows takes
/// no part in the sum (C counts it not) and ends with a probability near 0. Products float32, each value one chain of
/// fused multiply-adds as in lowshot/logreg.h; weights and sums over groups of rows float64: independent of the number
/// of threads and of the instruction set. Time O(iterations N D C), memory `softmax_regression_memory`. Throws Error
/// (usage) for no rows or a step that is not above 0, (input) for a label out of range, and, naming the iteration, when
/// weights are no longer finite.
SoftmaxModel softmax_regression(Context& context, std::span<const RegressionRows> parts, std::uint32_t classes,
                                double step, const SoftmaxRegressionOptions& options = {});
SoftmaxModel softmax_regression(Context& context, MatrixView<const float> rows, std::span<const std::int32_t> labels,
                                std::uint32_t classes, double step, const SoftmaxRegressionOptions& options = {});

/// Bytes that a regression holds at its peak: the copy of the rows, and weights.
std::uint64_t softmax_regression_memory(std::uint64_t rows, std::uint64_t classes, std::uint64_t dim);

}  // namespace lowshot
