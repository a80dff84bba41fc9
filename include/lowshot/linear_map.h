#pragma once
// y = A x + b, what a trained PCA is.

#include <vector>

#include "lowshot/matrix.h"

namespace lowshot {

/// `a`: out x in, row-major; `b`: out values. The other fields are what Faiss' PCAMatrix stores beside them, so that
/// a file written here can be read there; they may be empty.
struct LinearMap {
  Matrix<float> a;
  std::vector<float> b;
  std::vector<float> mean;         ///< in values
  std::vector<float> eigenvalues;  ///< falling, one a direction of the training space

  std::size_t in() const { return a.cols(); }
  std::size_t out() const { return a.rows(); }
};

}  // namespace lowshot
