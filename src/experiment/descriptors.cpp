#include "experiment/descriptors.h"

#include <algorithm>
#include <cstring>

#include "lowshot/pca.h"

namespace lowshot {

void load_rows(Context& context, RowSource& source, const LinearMap* map, MatrixView<float> rows,
               const std::function<std::uint64_t(std::uint64_t)>& destination) {
  const auto put = [&](std::uint64_t first, MatrixView<const float> block) {
    for (std::size_t i = 0; i < block.rows(); ++i) {
      const std::uint64_t to = destination(first + i);
      if (to == nowhere) continue;
      std::memcpy(rows.row(to), block.row(i), block.cols() * sizeof(float));
      normalise_rows(rows.rows(to, to + 1));
    }
    context.report("reading", first + block.rows(), source.rows(), "rows");
  };
  if (map != nullptr) return apply_map(context, *map, source, put);
  constexpr std::uint64_t block_rows = 4096;
  for (std::uint64_t first = 0; first < source.rows(); first += block_rows)
    put(first, read_rows(source, first, std::min(source.rows(), first + block_rows)));
}

}  // namespace lowshot
