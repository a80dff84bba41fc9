#pragma once
// Mean and scatter matrix of rows that arrive in blocks.

#include <cstdint>
#include <vector>

#include "lowshot/matrix.h"

namespace lowshot {

/// Rows that scatter is fed with at a time; results depend on it (rounding), so it is fixed.
inline constexpr std::size_t pca_block_rows = 4096;

/// sum x and sum (x - mean)(x - mean)' over all rows added. Holds dim^2 doubles.
class Scatter {
 public:
  explicit Scatter(std::size_t dim);

  /// Adds a block (rows x dim, finite) and overwrites it. Independent of the number of threads.
  void add(MatrixView<float> block, int threads);

  std::uint64_t rows() const { return rows_; }
  std::vector<double> mean() const;
  /// The scatter matrix about the mean, upper triangle only (row <= column). Ends the summing: the memory is handed on.
  Matrix<double> take(int threads);

 private:
  void choose_shift_and_scale(MatrixView<const float> block, int threads);

  std::uint64_t rows_ = 0;
  float scale_ = 1;           ///< a power of two, from the first block
  std::vector<float> shift_;  ///< subtracted from every row: the mean of the first block
  std::vector<double> sum_;   ///< of the shifted and scaled rows
  Matrix<double> products_;   ///< sum of x x' of those, tiles on and above the diagonal
};

}  // namespace lowshot
