#pragma once
// Conjugate gradients (Hestenes and Stiefel 1952) for (I - alpha S) F = b, columns of b side by side.

#include <cstdint>
#include <span>

#include "lowshot/edge_weights.h"
#include "lowshot/matrix.h"

namespace lowshot::diffusion {

/// I - alpha D^-1/2 B D^-1/2, by places: symmetric, eigenvalues from 1 - alpha to 1 + alpha.
struct RestartMatrix {
  WeightedGraphView graph;
  std::span<const float> root;  ///< D^-1/2
  double alpha;
};

struct Solution {
  std::uint32_t steps = 0;  ///< of the column that took most
  double residual = 0;      ///< the largest of a column
};

/// `f`: 0 on entry. Each column has its own step lengths, and stands still once its residual is `tolerance` of b: no
/// column's result depends on the others. Sums over rows by blocks of rows in their order, so not on threads either.
/// Holds three times the bytes of b beside b and f.
Solution conjugate_gradients(int threads, const RestartMatrix& a, MatrixView<const double> b, double tolerance,
                             std::uint32_t most_steps, MatrixView<double> f);
/// Bytes of the sums of blocks, rounded up to bytes a row.
std::uint64_t sums_memory_a_row(std::uint64_t columns);

}  // namespace lowshot::diffusion
