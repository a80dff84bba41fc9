#pragma once
// Linear discriminant analysis with shrunk covariance and shrunk novel means, as its formulas stand: float64, symmetric
// roots by Jacobi rotations, one plain loop each.

#include <cstdint>
#include <vector>

#include "oracle/dense.h"

namespace oracle {

/// Rows of x^exponent - mean, divided by their norms; x below 0 counts as 0 unless the exponent is 1. `mean`: empty or
/// one a column.
Dense transformed(const Dense& x, double exponent, const std::vector<double>& mean);

struct Lda {
  double between = 1, temperature = 1;
  double magnitude = 0;  ///< the largest t (|m_c| |u| + |m_c|^2 / 2): what rounding is relative to
  Dense scores;          ///< log-softmax of the test rows: tests x classes
};

/// `base`: rows z with labels; `novel`: the same of the other classes; `tests`: rows z to be scored.
Lda lda(const Dense& base, const std::vector<std::int32_t>& base_labels, const Dense& novel,
        const std::vector<std::int32_t>& novel_labels, const Dense& tests, std::size_t classes, double shrinkage,
        double label_weight);

}  // namespace oracle
