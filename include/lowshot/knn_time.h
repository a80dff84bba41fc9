#pragma once
// How long the k-NN search will take: small builds on a sample of the rows, scaled by what grows.

#include <cstdint>

#include "lowshot/context.h"
#include "lowshot/descriptors.h"
#include "lowshot/knn.h"

namespace lowshot {

/// What the search costs on this machine for rows like those of a sample.
struct KnnRates {
  KnnOptions options;
  // Exact: a n^2 / 2 pairs and b n rows through the times of two builds. The filter's products are in the pairs; codes,
  // lists and most of the rescoring in the rows.
  double pair = 0;  ///< seconds a pair, whichever of its rows take it
  double row = 0;   ///< seconds a row
  double kept = 0;  ///< seconds a row that a table is extended from, if it hardly changes
  // By join, of `join_rows` rows: sorting them by list and scoring what is kept, and joining the lists.
  std::uint64_t join_rows = 0;
  double listing = 0, joining = 0;
};

/// Rows of the sample that measure_knn wants: one to three seconds of work, at most `rows`.
std::uint64_t knn_sample_rows(const Context& context, std::uint64_t rows, std::uint32_t dim);

/// Two exact builds, of the sample and of half of it, and an extension; where the method may be the join for `all_rows`
/// rows, one by join, too. `sample`: as build_knn takes it, evenly drawn.
KnnRates measure_knn(Context& context, const DescriptorView& sample, const KnnOptions& options, std::uint64_t all_rows);

/// Seconds of build_knn, extend_knn and search_knn with the method that they would choose.
double build_knn_seconds(const KnnRates& rates, std::uint64_t rows);
double extend_knn_seconds(const KnnRates& rates, std::uint64_t old_rows, std::uint64_t new_rows);
double search_knn_seconds(const KnnRates& rates, std::uint64_t queries, std::uint64_t rows);

}  // namespace lowshot
