#pragma once
// The 8-bit filter of the exact k-NN search: an upper bound of every similarity from integer products.
//
// Row x_i is described by c_i = x_i - mu (mu: mean of the rows; any point is correct, the mean makes the codes fine)
// and an integer vector q_i with c_i = s_i q_i + r_i, |r_i| known. With alpha = 1 (inner product) or 2 (l2):
//   sim_ij = alpha c_i.c_j + b_i + b_j,   b_i = c_i.mu + |mu|^2 / 2   (inner product)   or   -|c_i|^2   (l2)
//   |c_i.c_j - s_i s_j q_i.q_j| <= |r_i| N + N |r_j|   with N >= |c|, |s q| of every row     (Cauchy-Schwarz)
// so   sim_ij <= (scale_i scale_j) q_i.q_j + bound_i + bound_j,   bound_i = b_i + alpha N |r_i| + rounding.
// A pair that cannot beat the threshold of either of its rows is dropped without touching its floats.

#include <cstdint>
#include <vector>

#include "lowshot/context.h"
#include "lowshot/knn.h"
#include "lowshot/matrix.h"

namespace lowshot::knn {

inline constexpr std::uint32_t panel_width = 16;  ///< columns of one packed panel: 16 x 4 bytes = one cache line
/// A number of columns in whole panels.
template <typename Number>
constexpr Number padded(Number columns) {
  return (columns + panel_width - 1) / panel_width * panel_width;
}
inline constexpr std::uint32_t dim_group = 4;  ///< dimensions multiplied by one integer instruction

/// One tile of work: rows of A (signed codes, row-major) against columns of packed panels (codes plus an offset,
/// unsigned). All pointers are to host memory and stay the caller's.
struct FilterTile {
  const std::int8_t* rows;        ///< row_count x code_bytes
  const std::int32_t* row_start;  ///< -offset * (sum of the row's codes): undoes the panels' offset
  const float* row_scale;
  const float* row_bound;
  const float* row_threshold;  ///< similarity to beat; -infinity: every pair passes
  std::uint32_t row_count;
  const std::uint8_t* panels;  ///< ceil(col_count / 16) panels of code_bytes x 16
  const float* col_scale;      ///< padded to whole panels, as the two below
  const float* col_bound;
  const float* col_threshold;  ///< +infinity where the columns do not take neighbours
  std::uint32_t col_count;
  std::uint32_t code_bytes;  ///< dimension rounded up to dim_group
};

/// Where the pairs that pass go: row << 16 | column (both local, column may be in the padding: the caller drops it),
/// and the score they passed with. Each has room for row_count * padded columns and one panel more.
struct FilterHits {
  std::uint32_t* pairs;
  float* scores;
};

/// Returns the number of pairs that pass, those whose score
///   (row_scale * col_scale) * dot + (row_bound + col_bound)   (fused; the same when row and column change places)
/// is at least min(row_threshold, col_threshold).
using FilterKernel = std::size_t (*)(const FilterTile& tile, const FilterHits& hits);

/// The score of every pair, that of row i and column j at scores[i * stride + j]; columns in the padding have some,
/// too. Thresholds are not looked at. stride: at least the padded columns.
using ScoreKernel = void (*)(const FilterTile& tile, float* scores, std::size_t stride);

/// What one instruction set offers.
struct FilterBackend {
  FilterKernel kernel;
  ScoreKernel scores;
  std::int32_t levels;  ///< codes lie in [-levels, levels]
  std::int32_t offset;  ///< added to the codes in the panels to make them unsigned
};
FilterBackend filter_backend(Isa isa);

std::size_t filter_avx2(const FilterTile& tile, const FilterHits& hits);
std::size_t filter_avx512(const FilterTile& tile, const FilterHits& hits);
std::size_t filter_amx(const FilterTile& tile, const FilterHits& hits);
void scores_avx2(const FilterTile& tile, float* scores, std::size_t stride);
void scores_avx512(const FilterTile& tile, float* scores, std::size_t stride);
void scores_amx(const FilterTile& tile, float* scores, std::size_t stride);

/// What two sets of rows must share to be compared: the shift, the metric and the norm bound N.
struct FilterSpace {
  std::vector<float> centre;
  float largest_norm = 0;      ///< of x - centre
  float largest_raw_norm = 0;  ///< of x
};
FilterSpace make_filter_space(int threads, const DescriptorView& x, const DescriptorView& y);

/// What the bounds of FilterRows stand for: a pair's score is never below its similarity, or comes as near to it as 8
/// bits can (its error is a few thousandths of the norms' product).
enum class FilterBound { upper, estimate };

/// The codes of a set of rows, as rows of a tile, as its columns, or both: n d bytes each, and 12 n bytes.
struct FilterRows {
  std::uint32_t count = 0, code_bytes = 0;
  Matrix<std::int8_t> rows;         ///< count x code_bytes
  Matrix<std::uint8_t> panels;      ///< ceil(count / 16) x (code_bytes * 16)
  std::vector<std::int32_t> start;  ///< the arrays of FilterTile, padded to whole panels
  std::vector<float> scale, bound;
};
FilterRows make_filter_rows(int threads, const DescriptorView& x, const FilterSpace& space, Metric metric,
                            const FilterBackend& backend, bool with_rows, bool with_panels,
                            FilterBound bound = FilterBound::upper);

/// Packs `count` rows of codes (row-major, code_bytes each) as panels with the offset added; what is beyond `count` in
/// the last panel is filled with the offset.
void pack_panels(const std::int8_t* rows, std::size_t count, std::uint32_t code_bytes, std::int32_t offset,
                 std::uint8_t* panels);

}  // namespace lowshot::knn
