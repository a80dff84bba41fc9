#include <algorithm>
#include <cassert>
#include <limits>

#include "lowshot/knn_table.h"

namespace lowshot {

KnnTable spread(const KnnTable& table, std::span<const NodeId> rows, std::uint64_t all_rows) {
  assert(rows.size() == table.rows());
  KnnTable wide = KnnTable::sized(all_rows, table.k());
  std::fill_n(wide.ids.data(), wide.ids.size(), no_node);
  std::fill_n(wide.similarities.data(), wide.similarities.size(), -std::numeric_limits<float>::infinity());
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t j = 0; j < table.k(); ++j) {
      const NodeId id = table.ids(i, j);
      if (id == no_node) continue;
      wide.ids(rows[i], j) = rows[id];
      wide.similarities(rows[i], j) = table.similarities(i, j);
    }
  return wide;
}

}  // namespace lowshot
