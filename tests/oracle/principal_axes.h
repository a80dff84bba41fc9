#pragma once
// Principal component analysis the slow way: float64, two passes, Jacobi rotations.

#include <cstddef>
#include <vector>

#include "oracle/dense.h"

namespace oracle {

std::vector<double> column_means(const Dense& x);
/// sum over the rows of (x - mean)(x - mean)'.
Dense scatter(const Dense& x);

struct Axes {
  std::vector<double> values;  ///< falling
  Dense rows;                  ///< row i: the eigenvector of values[i], its entry of largest magnitude positive
};
/// Eigenvalues and vectors of a symmetric matrix by cyclic Jacobi rotations.
Axes principal_axes(Dense symmetric);

/// Frobenius norm of a - a b' b for b with orthonormal rows: the root of the summed squared sines of the angles between
/// the two row spaces when a's rows are orthonormal too.
double distance_between_row_spaces(const Dense& a, const Dense& b);

/// Largest magnitude of a a' - identity.
double distance_from_orthonormal_rows(const Dense& a);

}  // namespace oracle
