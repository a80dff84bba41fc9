#pragma once
// Rows of descriptors as experiments use them: through the PCA, normalised, at their place in memory.

#include <cstdint>
#include <functional>

#include "lowshot/context.h"
#include "lowshot/linear_map.h"
#include "lowshot/matrix.h"
#include "lowshot/row_source.h"

namespace lowshot {

inline constexpr std::uint64_t nowhere = UINT64_MAX;

/// Reads a source through the map (null: as it is), normalises, and puts row i into `rows` at destination(i), unless
/// that is `nowhere`. Throws Error (input) naming the row for NaN, infinite and all-zero rows.
void load_rows(Context& context, RowSource& source, const LinearMap* map, MatrixView<float> rows,
               const std::function<std::uint64_t(std::uint64_t)>& destination);

}  // namespace lowshot
