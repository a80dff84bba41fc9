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

}  // namespace oracle
