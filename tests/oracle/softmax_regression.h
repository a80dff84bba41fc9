#pragma once
// Softmax regression in float64, one plain loop each (reference protocol, section 7).

#include <cstddef>
#include <cstdint>
#include <vector>

#include "oracle/dense.h"

namespace oracle {

/// log P(class | row): rows x classes. `weights`: classes x (dim + 1), the bias last.
Dense log_softmax(const Dense& weights, const Dense& x);
/// Mean negative log-likelihood of a minibatch.
double regression_loss(const Dense& weights, const Dense& x, const std::vector<std::uint32_t>& labels);
/// Its gradient, without weight decay.
Dense regression_gradient(const Dense& weights, const Dense& x, const std::vector<std::uint32_t>& labels);
/// g = gradient + decay w; velocity = momentum velocity + g; w -= rate velocity.
void regression_step(Dense& weights, Dense& velocity, const Dense& x, const std::vector<std::uint32_t>& labels,
                     double rate, double decay, double momentum);

/// Gradient of the mean over classes of the mean over their rows of the negative log-likelihood, plus penalty times the
/// squared weights (bias apart): the plain gradient of each class's rows alone, averaged over classes with rows.
Dense balanced_gradient(const Dense& weights, const Dense& x, const std::vector<std::int32_t>& labels, double penalty);
/// Nesterov's steps from zero: y = w + t/(t+3) (w - w_before), w <- y - step gradient(y).
Dense balanced_regression(const Dense& x, const std::vector<std::int32_t>& labels, std::size_t classes, double step,
                          double penalty, std::size_t iterations);

}  // namespace oracle
