#pragma once
// What counts as a true neighbour that was found: the rule by which all recall is measured.

#include <algorithm>
#include <cstddef>

#include "lowshot/knn_table.h"

namespace lowshot::knn {

inline constexpr float recall_tie = 1e-6f;  ///< a returned similarity this far below the true last one counts

/// The share of `others` (> 0) true neighbours, whose last has similarity `last`, that row `row` of a table holds.
/// `self` does not count (no_node: every row counts).
inline double share_found(const KnnTable& table, std::size_t row, NodeId self, float last, std::size_t others) {
  std::size_t found = 0;
  for (std::size_t j = 0; j < table.k(); ++j) {
    const NodeId id = table.ids(row, j);
    if (id != no_node && id != self && table.similarities(row, j) >= last - recall_tie) ++found;
  }
  return static_cast<double>(std::min(found, others)) / static_cast<double>(others);
}

}  // namespace lowshot::knn
