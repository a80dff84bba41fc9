#pragma once
// Descriptors in memory as the k-NN search reads them: float32, or float16 with a factor a row.

#include <cstdint>
#include <span>

#include "lowshot/matrix.h"

namespace lowshot {

/// A look at n x d rows. Half rows take half the memory; `factor` (one a row, or empty: all 1) is what each is
/// multiplied by when it is compared, so that rows read as float16 can be used as normalised without rounding again.
class DescriptorView {
 public:
  DescriptorView() = default;
  DescriptorView(MatrixView<const float> rows) : single_(rows) {}
  DescriptorView(MatrixView<float> rows) : single_(rows) {}
  DescriptorView(const Matrix<float>& rows) : single_(rows) {}
  DescriptorView(MatrixView<const Half> rows, std::span<const float> factor)
      : half_(rows), factor_(factor), is_half_(true) {}

  bool is_half() const { return is_half_; }
  std::size_t rows() const { return is_half_ ? half_.rows() : single_.rows(); }
  std::size_t cols() const { return is_half_ ? half_.cols() : single_.cols(); }

  const float* single_row(std::size_t i) const { return single_.row(i); }
  const Half* half_row(std::size_t i) const { return half_.row(i); }
  float factor(std::size_t i) const { return factor_.empty() ? 1.0f : factor_[i]; }

  /// Row i as float32, factor applied: `buffer` (cols() floats) where rows are half, else the row itself.
  const float* load(std::size_t i, float* buffer) const;

  DescriptorView rows(std::size_t begin, std::size_t end) const;

 private:
  MatrixView<const float> single_;
  MatrixView<const Half> half_;
  std::span<const float> factor_;
  bool is_half_ = false;
};

}  // namespace lowshot
