#pragma once
// Principal component analysis, streamed (reference protocol, "Descriptors").

#include <cstdint>
#include <functional>

#include "lowshot/context.h"
#include "lowshot/linear_map.h"
#include "lowshot/matrix.h"
#include "lowshot/row_source.h"

namespace lowshot {

struct PcaOptions {
  std::uint32_t dim = 256;      ///< directions kept; min(dim, D)
  bool random_rotation = true;  ///< distances do not depend on it; it spreads the energy evenly over the dimensions,
                                ///< which halves the error of the 8-bit filter of the exact k-NN search
  std::uint32_t seed = 0;       ///< of the rotation
};

/// Mean and covariance of all rows of `source` in one pass of blocks: float32 products, float64 sums. Memory
/// O(D^2 + block), never the rows. Time O(rows D^2). Independent of the number of threads.
/// Throws Error (input) for NaN, infinite or all-zero rows and for fewer than two rows.
LinearMap train_pca(Context& context, RowSource& source, const PcaOptions& options = {});

/// y = A x + b for every row of x. x: n x in, y: n x out, no aliasing. Independent of the number of threads.
void apply_map(Context& context, const LinearMap& map, MatrixView<const float> x, MatrixView<float> y);

/// Streams `source` through `map`, block by block: `sink(first_row, y)`. Rows are checked (require_usable) first.
void apply_map(Context& context, const LinearMap& map, RowSource& source,
               const std::function<void(std::uint64_t, MatrixView<const float>)>& sink);

}  // namespace lowshot
