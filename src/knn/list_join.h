#pragma once
// The approximate join: rows are compared with the members of the lists nearest to them. Each list is one dense block
// of 8-bit products against all rows that visit it, and a pair serves both its rows.
//
// The outcome depends on neither the order of the work nor the threads: a pair's score is the same from both sides, a
// reservoir keeps the best of what it was offered whatever the order, and a pair that meets twice (each row visits the
// other's list) is offered once.

#include <cstdint>
#include <span>
#include <vector>

#include "knn/filter.h"
#include "knn/listed_rows.h"
#include "knn/reservoirs.h"
#include "lowshot/context.h"
#include "lowshot/matrix.h"

namespace lowshot::knn {

/// The rows that visit each list: places visitors[first[l]] .. of another set, or of the same.
struct Visits {
  std::vector<std::uint64_t> first;
  std::vector<std::uint32_t> visitors;

  std::span<const std::uint32_t> of(std::uint32_t list) const {
    return std::span(visitors).subspan(first[list], first[list + 1] - first[list]);
  }
};

/// Columns begin .. end-1 of `probes` (rows x probes list numbers) by list; a row's own list (`home`, may be empty) is
/// no visit.
Visits visits_of(const Matrix<std::uint32_t>& probes, std::uint32_t begin, std::uint32_t end, std::uint32_t lists,
                 std::span<const std::uint32_t> home);

/// Pairs of lists that are compared whole: partners[first[l]] .. first[l+1] are those of list l, rising. Each pair is
/// named by both its lists.
struct ListPairs {
  std::vector<std::uint64_t> first;
  std::vector<std::uint32_t> partners;

  std::span<const std::uint32_t> of(std::uint32_t list) const {
    return std::span(partners).subspan(first[list], first[list + 1] - first[list]);
  }
};

/// The pairs of lists between which so many rows visit that it is quicker to compare all.
ListPairs close_lists(int threads, const ListedRows& rows, const Matrix<std::uint32_t>& probes);

/// Takes visits between lists that are compared whole out of `probes` (by place): they become no_list.
void drop_visits(int threads, const ListedRows& rows, const ListPairs& pairs, Matrix<std::uint32_t>& probes);

/// The members of each list compared with each other. `lists`: one a place. Rows with ids below `first_new` are not
/// compared with each other, here and below (they have been).
void join_within_lists(Context& context, const ListedRows& rows, NodeId first_new, Reservoirs& lists);

/// The members of the lists of a pair compared with each other; both sides take.
void join_list_pairs(Context& context, const ListedRows& rows, const ListPairs& pairs, NodeId first_new,
                     Reservoirs& lists);

/// Members compared with visitors of the same set; both sides take. Columns begin .. end-1 of `probes` (by place) are
/// visited now, those before have been; a row's own list is no visit.
void join_visits(Context& context, const ListedRows& rows, const Matrix<std::uint32_t>& probes, std::uint32_t begin,
                 std::uint32_t end, NodeId first_new, Reservoirs& lists);

/// Blocks of `members` (rows first[b] .. first[b+1]-1) offered to visitors of another set, one list each of `lists`:
/// `visits` holds rows of `queries` by block. ids: those of the members; none means their row numbers.
void join_visitors(Context& context, const FilterRows& members, std::span<const std::uint32_t> first,
                   std::span<const NodeId> ids, const FilterRows& queries, const Visits& visits, Reservoirs& lists);

}  // namespace lowshot::knn
