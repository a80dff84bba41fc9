// The filter for processors with AVX-512 and VNNI: 12 rows x 32 columns a step, 24 sums in registers.
// One vpdpbusd multiplies 64 pairs of bytes and adds them in fours. A Zen 5 core at 4.15 GHz could do 531 GMAC/s; 128
// rows x 512 columns with none / 1 % / 5 % of the pairs passing run at 441 / 415 / 383 at 256 dimensions, 324 / 267 /
// 223 at 64, 457 / 455 / 437 at 768.
#include <immintrin.h>

#include "knn/filter.h"
#include "knn/filter_hits.h"

namespace lowshot::knn {
namespace {

constexpr std::uint32_t row_step = 12;

// sum += columns (unsigned) . codes (signed), in fours. As an instruction because g++ 12 copies every sum twice around
// _mm512_dpbusd_epi32 and spills half of them: the whole build ran at 69 instead of 105 GMAC/s on one Zen 4 core.
inline void multiply_add(__m512i& sum, __m512i columns, __m512i codes) {
  __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(columns), "v"(codes));
}

// Scores of rows row .. row + Rows - 1 and panels `panel` and `panel + 1` (Panels = 1 or 2 of them), panel by panel,
// and a word of bits a row: which of them reach a threshold. Whether any does. Not inlined: g++ 12 spills sums to make
// room for what its caller does (180 instead of 440 GMAC/s).
template <int Rows, int Panels>
[[gnu::noinline]] bool score(const FilterTile& t, std::uint32_t row, std::uint32_t panel, float* scores,
                             std::uint16_t* pass) {
  const std::size_t panel_bytes = static_cast<std::size_t>(t.code_bytes) * panel_width;
  const std::int8_t* a = t.rows + static_cast<std::size_t>(row) * t.code_bytes;
  const std::uint8_t* b = t.panels + panel * panel_bytes;
  __m512i sum[Rows][Panels];
#pragma GCC unroll 12
  for (int r = 0; r < Rows; ++r)
#pragma GCC unroll 2
    for (int p = 0; p < Panels; ++p) sum[r][p] = _mm512_set1_epi32(t.row_start[row + r]);

  for (std::uint32_t d = 0; d < t.code_bytes; d += dim_group) {
    __m512i columns[Panels];
#pragma GCC unroll 2
    for (int p = 0; p < Panels; ++p) columns[p] = _mm512_loadu_si512(b + p * panel_bytes + d * panel_width);
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r) {
      int codes;
      __builtin_memcpy(&codes, a + static_cast<std::size_t>(r) * t.code_bytes + d, sizeof codes);
      const __m512i row_codes = _mm512_set1_epi32(codes);
#pragma GCC unroll 2
      for (int p = 0; p < Panels; ++p) multiply_add(sum[r][p], columns[p], row_codes);
    }
  }

  unsigned any = 0;
#pragma GCC unroll 2
  for (int p = 0; p < Panels; ++p) {
    const std::uint32_t first = (panel + p) * panel_width;
    const __m512 scale = _mm512_loadu_ps(t.col_scale + first);
    const __m512 bound = _mm512_loadu_ps(t.col_bound + first);
    const __m512 threshold = _mm512_loadu_ps(t.col_threshold + first);
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r) {
      const std::uint32_t i = row + r;
      const __m512 both = _mm512_mul_ps(scale, _mm512_set1_ps(t.row_scale[i]));
      const __m512 sums =
          _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum[r][p]), both, _mm512_add_ps(bound, _mm512_set1_ps(t.row_bound[i])));
      const __m512 least = _mm512_min_ps(threshold, _mm512_set1_ps(t.row_threshold[i]));
      const unsigned reached = _mm512_cmp_ps_mask(sums, least, _CMP_GE_OQ);
      any |= reached;
      pass[p * Rows + r] = static_cast<std::uint16_t>(reached);
      _mm512_store_ps(scores + (p * Rows + r) * panel_width, sums);
    }
  }
  return any != 0;
}

template <int Rows, int Panels>
inline FilterHits step(const FilterTile& t, std::uint32_t row, std::uint32_t panel, FilterHits hits) {
  alignas(64) float scores[(Rows * Panels + 4) * panel_width];
  alignas(64) std::uint16_t pass[Rows * Panels + 4];
  if (!score<Rows, Panels>(t, row, panel, scores, pass)) return hits;
#pragma GCC unroll 2
  for (int p = 0; p < Panels; ++p)
#pragma GCC unroll 3
    for (int r = 0; r < Rows; r += 4) {
      constexpr int together = Rows < 4 ? Rows : 4;
      std::uint64_t rows = 0;
      __builtin_memcpy(&rows, pass + p * Rows + r, together * sizeof *pass);
      hits =
          append_hits(rows, (row + r) << 16 | (panel + p) * panel_width, scores + (p * Rows + r) * panel_width, hits);
    }
  return hits;
}

template <int Panels>
FilterHits all_rows(const FilterTile& t, std::uint32_t panel, FilterHits hits) {
  std::uint32_t row = 0;
  for (; row + row_step <= t.row_count; row += row_step) hits = step<row_step, Panels>(t, row, panel, hits);
  if (row + 8 <= t.row_count) hits = step<8, Panels>(t, row, panel, hits), row += 8;
  if (row + 4 <= t.row_count) hits = step<4, Panels>(t, row, panel, hits), row += 4;
  for (; row < t.row_count; ++row) hits = step<1, Panels>(t, row, panel, hits);
  return hits;
}

}  // namespace

std::size_t filter_avx512(const FilterTile& tile, const FilterHits& hits) {
  FilterHits end = hits;
  const std::uint32_t panels = (tile.col_count + panel_width - 1) / panel_width;
  std::uint32_t panel = 0;
  for (; panel + 2 <= panels; panel += 2) end = all_rows<2>(tile, panel, end);
  if (panel < panels) end = all_rows<1>(tile, panel, end);
  return static_cast<std::size_t>(end.pairs - hits.pairs);
}

}  // namespace lowshot::knn
