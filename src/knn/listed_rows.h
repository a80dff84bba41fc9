#pragma once
// Rows sorted by the list they belong to: the form in which the approximate join works on them.

#include <cstdint>
#include <span>
#include <vector>

#include "knn/centroids.h"
#include "knn/filter.h"
#include "lowshot/knn_table.h"

namespace lowshot::knn {

/// Rows of list l are at places first[l] .. first[l+1]-1, rising. A list of several times the usual length (rows that
/// are all but equal) is cut into pieces, which are lists of their own here and neighbours in number.
struct ListedRows {
  std::vector<NodeId> row;                 ///< place -> row
  std::vector<std::uint32_t> first;        ///< lists + 1
  std::vector<std::uint32_t> list_of;      ///< place -> list
  std::vector<std::uint32_t> first_piece;  ///< lists of the centroids + 1: each one's first list here
  FilterRows codes;                        ///< by place

  std::uint32_t lists() const { return static_cast<std::uint32_t>(first.size() - 1); }
};

/// Sorts rows of `codes` by their nearest list. `codes` is given up: its rows come out in the new order.
ListedRows sort_by_list(Context& context, FilterRows&& codes, Metric metric, const ListCentroids& centroids,
                        std::uint32_t list_rows);

/// The `probes` nearest lists of each of `rows` (of `codes`) in the numbering of `listed`.
Matrix<std::uint32_t> nearest_listed(Context& context, const FilterRows& codes, std::span<const std::uint32_t> rows,
                                     Metric metric, const ListCentroids& centroids, const ListedRows& listed,
                                     std::uint32_t probes);

}  // namespace lowshot::knn
