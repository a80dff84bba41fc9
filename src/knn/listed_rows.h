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

/// Sorts the rows of `codes` by list, the first column of `nearest` (rows x probes lists of the centroids). `codes` is
/// given up: its rows come out in the new order.
ListedRows sort_by_list(int threads, FilterRows&& codes, const Matrix<std::uint32_t>& nearest, std::uint32_t lists,
                        std::uint32_t list_rows);

/// `nearest` (rows x probes lists of the centroids) in the numbering of `listed`, with as many columns: a list that was
/// cut stands for its pieces.
Matrix<std::uint32_t> renumber_lists(int threads, Matrix<std::uint32_t>&& nearest, const ListedRows& listed);

}  // namespace lowshot::knn
