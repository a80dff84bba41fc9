#pragma once
// z = L2(x^exponent - mean): raw descriptors as the closed-form classifiers see them.

#include <cstdint>
#include <span>
#include <vector>

#include "lowshot/context.h"
#include "lowshot/matrix.h"
#include "lowshot/row_source.h"

namespace lowshot {

/// As it stands: z = L2(x), every row divided by its norm. Powers below 1 even out the few large values that
/// descriptors after a rectifier have; with a mean they are taken about the origin of the unlabelled rows.
struct RowTransform {
  float exponent = 1;            ///< not 1: for values of 0 and above; one below counts as 0
  std::vector<float> mean = {};  ///< of x^exponent, D values; empty: nothing is subtracted
};

/// z in place of x. A row of which nothing is left (x^exponent = mean) becomes zero. Each row by itself: independent
/// of threads.
void transform_rows(Context& context, const RowTransform& transform, MatrixView<float> rows);

/// The transform with the mean of x^exponent over the rows of `source` (with `labels`: those whose label is not -1),
/// read once in blocks; float64 sums. Where a value is negative, the exponent becomes 1 and the mean that of x.
/// Independent of the number of threads. Throws Error (input) naming row and column of NaN and infinity.
RowTransform centred_power(Context& context, RowSource& source, float exponent,
                           std::span<const std::int32_t> labels = {});

}  // namespace lowshot
