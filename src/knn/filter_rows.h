#pragma once
// Sets of 8-bit rows picked out and put together. Row layout only; panels are packed when they are needed.

#include <cstdint>
#include <span>

#include "knn/filter.h"

namespace lowshot::knn {

/// rows.size() rows of `from`, in that order.
FilterRows take_rows(int threads, const FilterRows& from, std::span<const std::uint32_t> rows);

/// The rows of a, then those of b. Both are given up.
FilterRows stack_rows(FilterRows&& a, FilterRows&& b);

}  // namespace lowshot::knn
