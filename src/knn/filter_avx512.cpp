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

// Products of rows row .. row + Rows - 1 and panels `panel` and `panel + 1` (Panels = 1 or 2 of them).
template <int Rows, int Panels>
[[gnu::always_inline]] inline void multiply(const FilterTile& t, std::uint32_t row, std::uint32_t panel,
                                            __m512i (&sum)[Rows][Panels]) {
  const std::size_t panel_bytes = static_cast<std::size_t>(t.code_bytes) * panel_width;
  const std::int8_t* a = t.rows + static_cast<std::size_t>(row) * t.code_bytes;
  const std::uint8_t* b = t.panels + panel * panel_bytes;
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
}

// The columns of a panel as the scores need them.
struct Columns {
  __m512 scale, bound;
};
inline Columns columns_of(const FilterTile& t, std::uint32_t panel) {
  return {_mm512_loadu_ps(t.col_scale + panel * panel_width), _mm512_loadu_ps(t.col_bound + panel * panel_width)};
}
inline __m512 score_of(const FilterTile& t, std::uint32_t row, const Columns& c, __m512i sum) {
  const __m512 both = _mm512_mul_ps(c.scale, _mm512_set1_ps(t.row_scale[row]));
  return _mm512_fmadd_ps(_mm512_cvtepi32_ps(sum), both, _mm512_add_ps(c.bound, _mm512_set1_ps(t.row_bound[row])));
}

// Scores, panel by panel, and a word of bits a row: which of them reach a threshold. Whether any does. Not inlined:
// g++ 12 spills sums to make room for what its caller does (180 instead of 440 GMAC/s).
template <int Rows, int Panels>
[[gnu::noinline]] bool score(const FilterTile& t, std::uint32_t row, std::uint32_t panel, float* scores,
                             std::uint16_t* pass) {
  __m512i sum[Rows][Panels];
  multiply<Rows, Panels>(t, row, panel, sum);
  unsigned any = 0;
#pragma GCC unroll 2
  for (int p = 0; p < Panels; ++p) {
    const Columns columns = columns_of(t, panel + p);
    const __m512 threshold = _mm512_loadu_ps(t.col_threshold + (panel + p) * panel_width);
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r) {
      const __m512 scores_now = score_of(t, row + r, columns, sum[r][p]);
      const __m512 least = _mm512_min_ps(threshold, _mm512_set1_ps(t.row_threshold[row + r]));
      const unsigned reached = _mm512_cmp_ps_mask(scores_now, least, _CMP_GE_OQ);
      any |= reached;
      pass[p * Rows + r] = static_cast<std::uint16_t>(reached);
      _mm512_store_ps(scores + (p * Rows + r) * panel_width, scores_now);
    }
  }
  return any != 0;
}

template <int Rows, int Panels>
[[gnu::noinline]] void score_all(const FilterTile& t, std::uint32_t row, std::uint32_t panel, float* scores,
                                 std::size_t stride) {
  __m512i sum[Rows][Panels];
  multiply<Rows, Panels>(t, row, panel, sum);
#pragma GCC unroll 2
  for (int p = 0; p < Panels; ++p) {
    const Columns columns = columns_of(t, panel + p);
#pragma GCC unroll 12
    for (int r = 0; r < Rows; ++r)
      _mm512_storeu_ps(scores + (row + r) * stride + (panel + p) * panel_width,
                       score_of(t, row + r, columns, sum[r][p]));
  }
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

// work.template operator()<Rows, Panels>(row, panel) for steps that cover the tile.
template <int Panels, typename Work>
inline void all_rows(const FilterTile& t, std::uint32_t panel, const Work& work) {
  std::uint32_t row = 0;
  for (; row + row_step <= t.row_count; row += row_step) work.template operator()<row_step, Panels>(row, panel);
  if (row + 8 <= t.row_count) work.template operator()<8, Panels>(row, panel), row += 8;
  if (row + 4 <= t.row_count) work.template operator()<4, Panels>(row, panel), row += 4;
  for (; row < t.row_count; ++row) work.template operator()<1, Panels>(row, panel);
}

template <typename Work>
inline void all_steps(const FilterTile& t, const Work& work) {
  const std::uint32_t panels = (t.col_count + panel_width - 1) / panel_width;
  std::uint32_t panel = 0;
  for (; panel + 2 <= panels; panel += 2) all_rows<2>(t, panel, work);
  if (panel < panels) all_rows<1>(t, panel, work);
}

}  // namespace

std::size_t filter_avx512(const FilterTile& tile, const FilterHits& hits) {
  FilterHits end = hits;
  all_steps(tile, [&]<int Rows, int Panels>(std::uint32_t row, std::uint32_t panel) {
    end = step<Rows, Panels>(tile, row, panel, end);
  });
  return static_cast<std::size_t>(end.pairs - hits.pairs);
}

void scores_avx512(const FilterTile& tile, float* scores, std::size_t stride) {
  all_steps(tile, [&]<int Rows, int Panels>(std::uint32_t row, std::uint32_t panel) {
    score_all<Rows, Panels>(tile, row, panel, scores, stride);
  });
}

}  // namespace lowshot::knn
