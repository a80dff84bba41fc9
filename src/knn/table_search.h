#pragma once
// How the neighbours of a table were found: in words, in the table's side-car, and whether that serves a wish.
//
// An exact table serves every wish, one made for a recall serves wishes of at most that recall (of `automatic`, too,
// at any size: what is kept and good enough is not made again). Tables from before there was a choice are exact.

#include <optional>
#include <string>

#include "lowshot/io.h"
#include "lowshot/knn.h"

namespace lowshot {

struct TableSearch {
  KnnMethod method = KnnMethod::exact;  ///< exact or join
  double recall = 1;                    ///< that it was made for; 0: unknown (a published table that was extended)
};

/// A join's recall is the wish, also where a search that did what it could fell short (another would, too), but what
/// was reached where effort was given.
TableSearch search_of(const KnnOptions& options, const KnnReport& report);

/// What a table that was made of `table` by a search like `more` can claim.
TableSearch weaker(const TableSearch& table, const TableSearch& more);

bool serves(const TableSearch& table, const KnnOptions& wish);

/// Adds the options `method` and, of a join, `recall`.
void record_search(Origin& origin, const TableSearch& search);

/// What a side-car says; nothing where it says something that is no search.
std::optional<TableSearch> search_of(const Origin& origin);

/// The search behind a stored table whose side-car agrees with `origin` (which names no search) in all else; nothing
/// where there is no side-car or it tells of another table.
std::optional<TableSearch> search_of_table(const fs::path& ids, const Origin& origin);

/// `options` with the columns that files store, stored_k(options.k).
KnnOptions stored_options(KnnOptions options);

/// "exact", "join" or "auto", as the command line and plans spell it.
std::string name(KnnMethod method);

/// "exact", or "join: recall 0.953 on a sample of 1,000 rows; 33 of 3,925 lists a row".
std::string describe(const KnnReport& report);

/// "exact", or "join for recall 0.95".
std::string describe(const TableSearch& search);

/// What build_knn makes of `rows` rows: "exact 32-nearest-neighbour graph", or "32-nearest-neighbour graph of recall
/// 0.95".
std::string describe_build(std::uint64_t rows, const KnnOptions& options);

}  // namespace lowshot
