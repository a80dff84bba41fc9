#pragma once
// Whether a table belongs to rows: the similarities that it states, computed again for a sample of its rows.

#include <cstdint>

#include "lowshot/context.h"
#include "lowshot/descriptors.h"
#include "lowshot/knn.h"
#include "lowshot/knn_table.h"

namespace lowshot {

struct SpotCheck {
  std::uint64_t compared = 0, different = 0;

  /// A few may differ: published tables hold what they hold.
  bool passed() const { return different * 100 <= compared; }
};

/// Looks at `sample` evenly spaced rows of `table` (tidy, table.rows() == x.rows()). A similarity is another when it is
/// off by a thousandth, far more than what other programs' float32 sums differ by.
SpotCheck compare_similarities(Context& context, const KnnTable& table, const DescriptorView& x, Metric metric,
                               std::uint64_t sample = 10000);

}  // namespace lowshot
