#pragma once
// One row as 8-bit codes. AVX2 on every processor, sums in an order of their own: the same codes and numbers
// everywhere.

#include <cstddef>
#include <cstdint>

namespace lowshot::knn {

struct RowNorms {
  double centred = 0, raw = 0;  ///< squared, of row - centre and of the row
};
RowNorms squared_norms(const float* row, const float* centre, std::size_t dim);

/// c = row - centre as scale * codes + rest.
struct QuantisedRow {
  float scale = 0;
  std::int32_t code_sum = 0;
  double residual = 0;      ///< |rest|^2
  double square = 0;        ///< |c|^2
  double along_centre = 0;  ///< c . centre
};
/// Writes `dim` codes in [-levels, levels]; levels <= 127. The largest value of the row gets the largest code; a row
/// whose values are so small that 1 / scale is not finite gets codes 0. About 60 ns for 256 values, as long as reading
/// them from memory takes.
QuantisedRow quantise(const float* row, const float* centre, std::size_t dim, std::int32_t levels, std::int8_t* codes);

}  // namespace lowshot::knn
