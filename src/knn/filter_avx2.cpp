// The filter for processors with AVX2. vpmaddubsw adds two products of bytes in 16 bits and saturates at 32767, so
// codes are kept to 7 bits here (levels 63: 2 * 126 * 63 = 15,876).
//
// A panel meets 16 rows at a time whose sums lie in memory (1 KiB): the 16 registers then hold the columns of four
// groups of dimensions, each loaded once for 16 rows, and the products of four groups are widened to 32 bits at once.
// On one Zen 5 core, 128 rows x 512 columns of 256 dimensions, none / 1 % / 5 % of the pairs passing: 167 / 159 / 156
// GMAC/s of 212 that its two multipliers allow; 4 rows x 16 columns with sums in registers, two groups: 155 / 138 /
// 104.
#include <immintrin.h>

#include "knn/filter.h"
#include "knn/filter_hits.h"

namespace lowshot::knn {
namespace {

constexpr std::uint32_t block_rows = 16;
constexpr std::uint32_t part_rows =
    10 * block_rows;  // 40 KiB of codes at 256 dimensions; the join brings 144 at a time
// Panels from which on it pays to look whether four groups fit: the look takes 30 cycles a row, a panel 100.
constexpr std::uint32_t many_panels = 8;

__m256i* at(std::int32_t* p) {
  return reinterpret_cast<__m256i*>(p);
}
const __m256i* at(const std::int32_t* p) {
  return reinterpret_cast<const __m256i*>(p);
}

// Whether the products of four groups can be added in 16 bits whatever the columns are: eight that share a lane are
// codes times 0 .. 126, and 260 * 126 < 2^15. So it is for 99.7 % of the rows of image descriptors, of PCA's and of
// gaussian rows.
bool four_groups_fit(const std::int8_t* codes, std::uint32_t code_bytes) {
  const __m128i ones = _mm_set1_epi8(1), zero = _mm_setzero_si128();
  __m128i largest = zero;
  for (std::uint32_t d = 0; d + 4 * dim_group <= code_bytes; d += 4 * dim_group) {
    const __m128i code = _mm_loadu_si128(reinterpret_cast<const __m128i*>(codes + d));
    const __m128i positive = _mm_max_epi8(code, zero);
    for (const __m128i part : {positive, _mm_sub_epi8(positive, code)}) {
      const __m128i pairs = _mm_maddubs_epi16(part, ones);
      const __m128i fours = _mm_add_epi16(pairs, _mm_shuffle_epi32(pairs, 0x4e));
      largest = _mm_max_epi16(largest, _mm_add_epi16(fours, _mm_shuffle_epi32(fours, 0xb1)));
    }
  }
  return _mm_movemask_epi8(_mm_cmpgt_epi16(largest, _mm_set1_epi16(260))) == 0;
}

// Bit b: four groups fit for rows first + 16 b .. first + 16 b + 15, as far as they are before `end`.
unsigned blocks_that_fit(const FilterTile& t, std::uint32_t first, std::uint32_t end) {
  unsigned fit = ~0u;
  for (std::uint32_t i = first; i < end; ++i)
    if (!four_groups_fit(t.rows + std::size_t{i} * t.code_bytes, t.code_bytes))
      fit &= ~(1u << (i - first) / block_rows);
  return fit;
}

// sums += rows . columns over Groups groups of dimensions, which `codes` (of the first row) and `line` begin with.
template <int Groups>
inline void multiply_add(const std::int8_t* codes, std::size_t row_bytes, std::uint32_t rows, const std::uint8_t* line,
                         std::int32_t* sums) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i columns[Groups][2];
#pragma GCC unroll 4
  for (int g = 0; g < Groups; ++g)
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h)
      columns[g][h] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(line + 64 * g + 32 * h));
  for (std::uint32_t r = 0; r < rows; ++r, codes += row_bytes, sums += panel_width) {
    __m256i products[2];
#pragma GCC unroll 4
    for (int g = 0; g < Groups; ++g) {
      int group;
      __builtin_memcpy(&group, codes + dim_group * g, sizeof group);
      const __m256i row_codes = _mm256_set1_epi32(group);
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) {
        const __m256i product = _mm256_maddubs_epi16(columns[g][h], row_codes);
        products[h] = g == 0 ? product : _mm256_add_epi16(products[h], product);
      }
    }
#pragma GCC unroll 2
    for (int h = 0; h < 2; ++h)
      *at(sums + 8 * h) = _mm256_add_epi32(*at(sums + 8 * h), _mm256_madd_epi16(products[h], ones));
  }
}

// Eight columns from `first` on as the scores need them.
struct Columns {
  __m256 scale, bound;
};
inline Columns columns_of(const FilterTile& t, std::uint32_t first) {
  return {_mm256_loadu_ps(t.col_scale + first), _mm256_loadu_ps(t.col_bound + first)};
}
inline __m256 score_of(const FilterTile& t, std::uint32_t row, const Columns& c, const std::int32_t* sums) {
  const __m256 both = _mm256_mul_ps(c.scale, _mm256_set1_ps(t.row_scale[row]));
  return _mm256_fmadd_ps(_mm256_cvtepi32_ps(*at(sums)), both, _mm256_add_ps(c.bound, _mm256_set1_ps(t.row_bound[row])));
}

// Rows row .. row + rows - 1 against the panel that begins with column `first`.
FilterHits compare(const FilterTile& t, std::uint32_t row, std::uint32_t rows, std::uint32_t first,
                   const std::int32_t* sums, FilterHits hits) {
  alignas(32) float scores[(block_rows + 4) * panel_width];
  const Columns columns[2] = {columns_of(t, first), columns_of(t, first + 8)};
  const __m256 threshold[2] = {_mm256_loadu_ps(t.col_threshold + first), _mm256_loadu_ps(t.col_threshold + first + 8)};
  std::uint64_t pass[block_rows / 4] = {}, any = 0;
  for (std::uint32_t r = 0; r < rows; ++r) {
    const __m256 row_threshold = _mm256_set1_ps(t.row_threshold[row + r]);
    std::uint64_t reached = 0;
#pragma GCC unroll 2
    for (std::uint32_t h = 0; h < 2; ++h) {
      const std::uint32_t place = r * panel_width + 8 * h;
      const __m256 score = score_of(t, row + r, columns[h], sums + place);
      _mm256_store_ps(scores + place, score);
      const __m256 reaches = _mm256_cmp_ps(score, _mm256_min_ps(threshold[h], row_threshold), _CMP_GE_OQ);
      reached |= std::uint64_t{static_cast<unsigned>(_mm256_movemask_ps(reaches))} << (8 * h);
    }
    any |= reached;
    pass[r / 4] |= reached << (16 * (r % 4));
  }
  for (std::uint32_t w = 0; any != 0 && w < (rows + 3) / 4; ++w)
    hits = append_hits(pass[w], (row + 4 * w) << 16 | first, scores + 64 * w, hits);
  return hits;
}

// The products of rows row .. row + rows - 1 and a panel: sums, 16 a row.
void multiply(const FilterTile& t, std::uint32_t row, std::uint32_t rows, std::uint32_t panel, bool four_fit,
              std::int32_t* sums) {
  for (std::uint32_t r = 0; r < rows; ++r)
    for (std::uint32_t h = 0; h < 2; ++h) *at(sums + r * panel_width + 8 * h) = _mm256_set1_epi32(t.row_start[row + r]);
  const std::int8_t* codes = t.rows + std::size_t{row} * t.code_bytes;
  const std::uint8_t* lines = t.panels + std::size_t{panel} * t.code_bytes * panel_width;
  const auto groups_from = [&](auto multiply, std::uint32_t d) {
    multiply(codes + d, t.code_bytes, rows, lines + d * panel_width, sums);
  };
  std::uint32_t d = 0;
  for (; four_fit && d + 4 * dim_group <= t.code_bytes; d += 4 * dim_group) groups_from(multiply_add<4>, d);
  for (; d + 2 * dim_group <= t.code_bytes; d += 2 * dim_group) groups_from(multiply_add<2>, d);
  if (d < t.code_bytes) groups_from(multiply_add<1>, d);
}

// use(row, rows, panel, sums) for blocks that cover the tile.
template <typename Use>
inline void all_blocks(const FilterTile& tile, const Use& use) {
  const std::uint32_t panels = (tile.col_count + panel_width - 1) / panel_width;
  alignas(32) std::int32_t sums[block_rows * panel_width];
  for (std::uint32_t first = 0; first < tile.row_count; first += part_rows) {
    const std::uint32_t part_end = first + part_rows < tile.row_count ? first + part_rows : tile.row_count;
    const unsigned fit = panels >= many_panels ? blocks_that_fit(tile, first, part_end) : 0;
    for (std::uint32_t panel = 0; panel < panels; ++panel)
      for (std::uint32_t row = first; row < part_end; row += block_rows) {
        const std::uint32_t rows = part_end - row < block_rows ? part_end - row : block_rows;
        multiply(tile, row, rows, panel, (fit >> (row - first) / block_rows & 1) != 0, sums);
        use(row, rows, panel, sums);
      }
  }
}

}  // namespace

std::size_t filter_avx2(const FilterTile& tile, const FilterHits& hits) {
  FilterHits end = hits;
  all_blocks(tile, [&](std::uint32_t row, std::uint32_t rows, std::uint32_t panel, const std::int32_t* sums) {
    end = compare(tile, row, rows, panel * panel_width, sums, end);
  });
  return static_cast<std::size_t>(end.pairs - hits.pairs);
}

void scores_avx2(const FilterTile& tile, float* scores, std::size_t stride) {
  all_blocks(tile, [&](std::uint32_t row, std::uint32_t rows, std::uint32_t panel, const std::int32_t* sums) {
    for (std::uint32_t h = 0; h < 2; ++h) {
      const std::uint32_t first = panel * panel_width + 8 * h;
      const Columns columns = columns_of(tile, first);
      for (std::uint32_t r = 0; r < rows; ++r)
        _mm256_storeu_ps(scores + (row + r) * stride + first,
                         score_of(tile, row + r, columns, sums + r * panel_width + 8 * h));
    }
  });
}

}  // namespace lowshot::knn
