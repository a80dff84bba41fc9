#pragma once
// How long the k-NN search will take: small builds on a sample of the rows, scaled by counted pairs and rows.

#include <cstdint>

#include "lowshot/context.h"
#include "lowshot/descriptors.h"
#include "lowshot/knn.h"

namespace lowshot {

/// What exact search costs on this machine for rows like those of a sample: a n^2 / 2 pairs and b n rows through the
/// times of two builds. The filter's products are in the pairs; codes, lists and most of the rescoring in the rows.
struct KnnRates {
  double pair = 0;  ///< seconds a pair, whichever of its rows take it
  double row = 0;   ///< seconds a row
};

/// Rows of the sample that measure_knn wants: one to two seconds of work, at most `rows`.
std::uint64_t knn_sample_rows(const Context& context, std::uint64_t rows, std::uint32_t dim);

/// Two exact builds, of the sample and of half of it. `sample`: as build_knn takes it, evenly drawn from all rows.
KnnRates measure_knn(Context& context, const DescriptorView& sample, const KnnOptions& options);

/// Seconds of build_knn, extend_knn and search_knn.
double build_knn_seconds(const KnnRates& rates, std::uint64_t rows);
double extend_knn_seconds(const KnnRates& rates, std::uint64_t old_rows, std::uint64_t new_rows);
double search_knn_seconds(const KnnRates& rates, std::uint64_t queries, std::uint64_t rows);

}  // namespace lowshot
