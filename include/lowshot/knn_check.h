#pragma once
// What is wrong with a stored k-NN table (`knn check`), and what it looks like (`knn info`).

#include <cstdint>
#include <optional>

#include "lowshot/context.h"
#include "lowshot/io.h"
#include "lowshot/knn.h"
#include "lowshot/knn_table.h"
#include "lowshot/row_source.h"

namespace lowshot {

struct KnnCheckOptions {
  std::uint32_t k = 0;          ///< columns looked at; 0 = all that are stored
  std::uint64_t sample = 1000;  ///< rows whose true neighbours are searched
  std::uint32_t seed = 0;       ///< of the sample
  Metric metric = Metric::inner_product;
  bool normalise = true;  ///< rows are normalised first: inner products are cosines
};

struct KnnCheck {
  std::uint64_t rows = 0;
  std::uint32_t stored_k = 0, k = 0;
  // Of all rows, the first k columns as stored.
  std::uint64_t ids_out_of_range = 0;  ///< below -1 or not below rows: the table cannot be used
  std::uint64_t first_bad_row = 0;     ///< the first row that holds such an id, and the id
  std::int32_t first_bad_id = 0;
  std::uint64_t empty_places = 0;                                 ///< ids of -1
  std::uint64_t repeated_ids = 0;                                 ///< places that hold an id a second time
  std::uint64_t self_first = 0, self_later = 0, self_absent = 0;  ///< rows
  std::uint64_t unsorted_rows = 0;  ///< a similarity above the one before it or NaN, or an id behind an empty place
  // Of the sample.
  std::uint64_t sampled = 0;
  std::optional<double> recall;          ///< nothing where there is no other row to find (k = 1, or one row)
  std::uint64_t similarities = 0;        ///< stored ones that were computed again
  std::uint64_t wrong_similarities = 0;  ///< of them, those that differ by more than 1e-5 of the rows' norms
  double largest_difference = 0;         ///< in the same unit
};

/// Compares a table with the descriptors it should belong to. Recall is the mean, over the sample, of the share of the
/// k-1 true neighbours other than the row itself that the table returns; a returned row whose similarity (computed from
/// the descriptors) is at least the true k-th - 1e-6 counts, so ties do not matter. Descriptors are streamed: memory
/// is that of the sample. Throws Error (input) for descriptors of another number of rows, NaN and the like.
KnnCheck check_knn(Context& context, const StoredKnn& table, RowSource& descriptors, const KnnCheckOptions& options);

struct Quantiles {
  double min = 0, q05 = 0, q25 = 0, median = 0, q75 = 0, q95 = 0, max = 0;
  std::uint64_t count = 0;  ///< 0: all the others mean nothing
};

struct KnnSummary {
  std::uint64_t rows = 0;
  std::uint32_t k = 0;
  std::uint32_t least_filled = 0;  ///< neighbours in the row that has the fewest
  double mean_filled = 0;
  Quantiles first, other, last;                ///< similarities: first column, nearest other row, last column
  std::uint64_t largest_in_degree = 0;         ///< rows that name one row, itself not counted
  double mean_in_degree = 0, never_named = 0;  ///< never_named: share of the rows
  double mutual = 0;                           ///< share of the neighbours (itself not counted) that name the row back
  std::uint64_t components = 0,
                largest_component = 0;  ///< connected components, edges taken both ways; rows in the largest
};

/// `table`: tidy (read_knn).
KnnSummary summarise_knn(Context& context, const KnnTable& table);

}  // namespace lowshot
