#pragma once
// An order of points in which neighbours in space are near each other: halves along the direction of largest extent,
// and so on inside each half.

#include <cstdint>
#include <vector>

#include "lowshot/matrix.h"

namespace lowshot::knn {

/// order[place] = point. O(n d log n). Deterministic.
std::vector<std::uint32_t> bisection_order(MatrixView<const float> points);

}  // namespace lowshot::knn
