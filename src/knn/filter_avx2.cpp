// The filter for processors with AVX2: 4 rows x 16 columns a step. vpmaddubsw adds two byte products in 16 bits and
// saturates at 32767, so codes are kept to 7 bits here (levels 63: 2 * 126 * 63 = 15,876).
#include <immintrin.h>

#include "knn/filter.h"

namespace lowshot::knn {
namespace {

constexpr std::uint32_t row_step = 4;

template <int Rows>
inline FilterHits step(const FilterTile& t, std::uint32_t row, std::uint32_t panel, FilterHits hits) {
  const std::size_t panel_bytes = static_cast<std::size_t>(t.code_bytes) * panel_width;
  const std::int8_t* a = t.rows + static_cast<std::size_t>(row) * t.code_bytes;
  const std::uint8_t* b = t.panels + panel * panel_bytes;
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i sum[Rows][2];
  for (int r = 0; r < Rows; ++r) sum[r][0] = sum[r][1] = _mm256_set1_epi32(t.row_start[row + r]);

  // Two groups of dimensions share one widening: the 16-bit sums of four products stay below 31,752.
  std::uint32_t d = 0;
  for (; d + 2 * dim_group <= t.code_bytes; d += 2 * dim_group) {
    const std::uint8_t* line = b + d * panel_width;
    __m256i columns[4];
    for (int h = 0; h < 4; ++h) columns[h] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(line + 32 * h));
    for (int r = 0; r < Rows; ++r) {
      int codes[2];
      __builtin_memcpy(codes, a + static_cast<std::size_t>(r) * t.code_bytes + d, sizeof codes);
      const __m256i first = _mm256_set1_epi32(codes[0]), second = _mm256_set1_epi32(codes[1]);
      for (int h = 0; h < 2; ++h) {
        const __m256i products =
            _mm256_add_epi16(_mm256_maddubs_epi16(columns[h], first), _mm256_maddubs_epi16(columns[2 + h], second));
        sum[r][h] = _mm256_add_epi32(sum[r][h], _mm256_madd_epi16(products, ones));
      }
    }
  }
  if (d < t.code_bytes) {
    const std::uint8_t* line = b + d * panel_width;
    for (int h = 0; h < 2; ++h) {
      const __m256i columns = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(line + 32 * h));
      for (int r = 0; r < Rows; ++r) {
        int codes;
        __builtin_memcpy(&codes, a + static_cast<std::size_t>(r) * t.code_bytes + d, sizeof codes);
        const __m256i products = _mm256_maddubs_epi16(columns, _mm256_set1_epi32(codes));
        sum[r][h] = _mm256_add_epi32(sum[r][h], _mm256_madd_epi16(products, ones));
      }
    }
  }

  for (int h = 0; h < 2; ++h) {
    const std::uint32_t first = panel * panel_width + 8 * h;
    const __m256 scale = _mm256_loadu_ps(t.col_scale + first);
    const __m256 bound = _mm256_loadu_ps(t.col_bound + first);
    const __m256 threshold = _mm256_loadu_ps(t.col_threshold + first);
    for (int r = 0; r < Rows; ++r) {
      const std::uint32_t i = row + r;
      const __m256 both = _mm256_mul_ps(scale, _mm256_set1_ps(t.row_scale[i]));
      const __m256 score =
          _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[r][h]), both, _mm256_add_ps(bound, _mm256_set1_ps(t.row_bound[i])));
      const __m256 least = _mm256_min_ps(threshold, _mm256_set1_ps(t.row_threshold[i]));
      unsigned pass = static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(score, least, _CMP_GE_OQ)));
      if (pass == 0) continue;
      alignas(32) float scores[8];
      _mm256_store_ps(scores, score);
      for (; pass != 0; pass &= pass - 1) {
        const std::uint32_t lane = static_cast<std::uint32_t>(__builtin_ctz(pass));
        *hits.pairs++ = i << 16 | (first + lane);
        *hits.scores++ = scores[lane];
      }
    }
  }
  return hits;
}

}  // namespace

std::size_t filter_avx2(const FilterTile& tile, const FilterHits& hits) {
  FilterHits end = hits;
  const std::uint32_t panels = (tile.col_count + panel_width - 1) / panel_width;
  for (std::uint32_t panel = 0; panel < panels; ++panel) {
    std::uint32_t row = 0;
    for (; row + row_step <= tile.row_count; row += row_step) end = step<row_step>(tile, row, panel, end);
    for (; row < tile.row_count; ++row) end = step<1>(tile, row, panel, end);
  }
  return static_cast<std::size_t>(end.pairs - hits.pairs);
}

}  // namespace lowshot::knn
