#pragma once
// Two classifiers' answers added as logarithms, as the formula stands.

#include <vector>

#include "oracle/dense.h"

namespace oracle {

/// (1 - a) log(v / sum v + 1e-4) + a scores + offset of the class; log(1 / classes) where the sum is 0.
Dense fused(const Dense& votes, const Dense& scores, const std::vector<double>& offset, double a);

}  // namespace oracle
