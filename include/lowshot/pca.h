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
  bool centred = true;          ///< false: directions of the second moment about the origin, nothing is subtracted
  bool random_rotation = true;  ///< distances do not depend on it; it spreads the energy evenly over the dimensions,
                                ///< which halves the error of the 8-bit filter of the exact k-NN search
  std::uint32_t seed = 0;       ///< of the rotation
};

/// Mean and covariance of all rows of `source` in one pass of blocks: float32 products, float64 sums. Memory
/// O(D^2 + block), never the rows. Time O(rows D^2). Independent of the number of threads.
/// The result's `a` has orthonormal rows, `b` = -a mean (empty if not centred); `eigenvalues` are those of the scatter
/// matrix sum (x - mean)(x - mean)', all D of them (what Faiss stores; divided by the rows they are variances). A
/// thread of its own reads `source` ahead. Throws Error (input) for NaN, infinite or all-zero rows and for fewer than
/// two rows; Error (usage) for `dim` 0.
LinearMap train_pca(Context& context, RowSource& source, const PcaOptions& options = {});

/// Host memory in bytes that `train_pca` allocates at its peak.
std::uint64_t train_pca_memory(std::uint64_t rows, std::uint32_t source_dim, const PcaOptions& options = {});

/// y = A x + b for every row of x (a map without b adds nothing). x: n x in, y: n x out, no aliasing. A row's result
/// depends neither on the rows around it nor on the number of threads. Throws Error (input) where x.cols() is not in.
void apply_map(Context& context, const LinearMap& map, MatrixView<const float> x, MatrixView<float> y);

/// Streams `source` through `map`, block by block in row order: `sink(first_row, y)`, called by the calling thread
/// while another reads ahead. Rows are checked (require_usable) first; the values are those of the function above.
void apply_map(Context& context, const LinearMap& map, RowSource& source,
               const std::function<void(std::uint64_t, MatrixView<const float>)>& sink);

}  // namespace lowshot
