#include "experiment/raw_rows.h"

#include <algorithm>

#include "core/half.h"

namespace lowshot {
std::uint64_t raw_bytes(const RowSource& source, std::uint64_t rows) {
  return rows * source.dim() * (source.is_half() ? sizeof(Half) : sizeof(float));
}

RawRows read_chosen(Context& context, RowSource& source, const std::vector<std::uint32_t>& chosen) {
  RawRows rows;
  const std::uint32_t dim = source.dim();
  (source.is_half() ? void(rows.half = Matrix<Half>(chosen.size(), dim))
                    : void(rows.single = Matrix<float>(chosen.size(), dim)));
  Matrix<float> buffer(std::min(read_chosen_block, source.rows()), dim);
  std::size_t next = 0;
  while (next < chosen.size()) {
    const std::uint64_t first = chosen[next] / read_chosen_block * read_chosen_block;
    const std::uint64_t last = std::min(source.rows(), first + read_chosen_block);
    const MatrixView<float> block(buffer.data(), last - first, dim);
    source.read(first, block);
    require_finite(block, source.name(), first);
    for (; next < chosen.size() && chosen[next] < last; ++next) {
      const float* row = block.row(chosen[next] - first);
      source.is_half() ? convert(row, rows.half.row(next), dim)  // it was float16: nothing is lost
                       : void(std::copy(row, row + dim, rows.single.row(next)));
    }
    context.report("reading", next, chosen.size(), "rows");
  }
  return rows;
}

}  // namespace lowshot
