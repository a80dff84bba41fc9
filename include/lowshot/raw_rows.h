#pragma once
// Rows of descriptors in memory as their file stores them.

#include <cstdint>
#include <span>

#include "lowshot/context.h"
#include "lowshot/descriptors.h"
#include "lowshot/matrix.h"
#include "lowshot/row_source.h"

namespace lowshot {

/// float16 stays float16; one of the two is empty.
struct RawRows {
  Matrix<float> single;
  Matrix<Half> half;

  DescriptorView view() const {
    if (half.rows() != 0) return {half.view(), {}};
    return DescriptorView(single);
  }
};

/// Rows numbered `rows` (rising) of a source: one pass over the parts that hold them. Throws Error (input) naming row
/// and column of NaN and infinity in what it has read.
RawRows gather_rows(Context& context, RowSource& source, std::span<const std::uint32_t> rows);
inline constexpr std::uint64_t gather_rows_block = 4096;  ///< rows read at a time

/// What `gather_rows` returns, in bytes.
std::uint64_t raw_bytes(const RowSource& source, std::uint64_t rows);

/// The rows as float32; float16 ones are converted.
Matrix<float> single_rows(RawRows&& rows);

}  // namespace lowshot
