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

/// `rows`: N x D; `labels`: one a row, 0 .. classes - 1. A class without rows takes no part in the sum (C counts it
/// not) and ends with a probability near 0. Products float32, weights and sums over blocks float64; independent of the
/// number of threads. Time O(iterations N D C), memory O(C D) beside the rows. Throws Error (usage) for no rows or a
/// step that is not above 0, (input) for a label out of range, and, naming the iteration, when weights are no longer
/// finite.
SoftmaxModel softmax_regression(Context& context, MatrixView<const float> rows, std::span<const std::int32_t> labels,
                                std::uint32_t classes, double step, const SoftmaxRegressionOptions& options = {});

}  // namespace lowshot
