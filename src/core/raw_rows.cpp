#include "lowshot/raw_rows.h"

#include <algorithm>
#include <utility>

#include "core/half.h"

namespace lowshot {

// Blocks begin where the wanted rows do and end at multiples of their size: what a compressed file keeps together is
// seldom read twice.
RawRows gather_rows(Context& context, RowSource& source, std::span<const std::uint32_t> rows) {
  RawRows gathered;
  const std::uint32_t dim = source.dim();
  const bool half = source.is_half();
  if (half)
    gathered.half = Matrix<Half>(rows.size(), dim);
  else
    gathered.single = Matrix<float>(rows.size(), dim);
  Matrix<float> buffer(std::min(gather_rows_block, source.rows()), dim);
  for (std::size_t i = 0; i < rows.size();) {
    const std::uint64_t first = rows[i], limit = (first / gather_rows_block + 1) * gather_rows_block;
    std::size_t end = i;
    while (end < rows.size() && rows[end] < limit) ++end;
    const MatrixView<float> block = buffer.view().rows(0, rows[end - 1] - first + 1);
    source.read(first, block);
    require_finite(block, source.name(), first);
    for (; i < end; ++i) {
      const float* row = block.row(rows[i] - first);
      if (half)
        convert(row, gathered.half.row(i), dim);  // it was float16: nothing is lost
      else
        std::copy_n(row, dim, gathered.single.row(i));
    }
    context.report("reading", i, rows.size(), "rows");
  }
  return gathered;
}

std::uint64_t raw_bytes(const RowSource& source, std::uint64_t rows) {
  return rows * source.dim() * (source.is_half() ? sizeof(Half) : sizeof(float));
}

Matrix<float> single_rows(RawRows&& rows) {
  if (rows.half.rows() == 0) return std::move(rows.single);
  const RawRows stored = std::move(rows);
  Matrix<float> single(stored.half.rows(), stored.half.cols());
  convert(stored.half.data(), single.data(), single.size());
  return single;
}

}  // namespace lowshot
