// The filter for processors with AMX (8-bit tiles): one tdpbsud multiplies 16 rows by 16 columns over 64 dimensions, in
// 16 cycles. A panel's lines are a tile as they lie in memory, and so are 64 bytes of 16 rows' codes. Steps take 32
// rows x 32 columns: four tiles of sums, two of rows, two of columns.
//
// Turning sums into pairs takes as long as the products of 256 dimensions, so the pairs of one step are found between
// the products of the next: they run on other parts of the core. On 16 threads of a Sapphire Rapids, 144 rows x 512
// columns, 1 % of the pairs passing, in TMAC/s (AVX-512 VNNI in brackets): 3.5 (2.0) at 256 dimensions, 5.0 (2.3) at
// 768, 1.9 (1.5) at 96; at 64 the pairs are what takes time, and the tiles only add to it: 1.17 (1.22). The pairs after
// the products: 3.1 at 256 dimensions; behind a branch on whether four rows have any: 3.1.
#include <immintrin.h>

#include "knn/filter.h"
#include "knn/filter_hits.h"

namespace lowshot::knn {
namespace {

constexpr std::uint32_t tile_rows = 16;
constexpr std::uint32_t tile_bytes = 64;
constexpr std::uint32_t part_rows = 160;  // the join brings 144 at a time

// What ldtilecfg reads: each of the eight tiles has 16 rows of 64 bytes.
struct alignas(64) TileShapes {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  std::uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};

// The dimensions beyond the last whole 64, with zeros behind them, of a part's rows and of a step's panels.
struct alignas(64) Rest {
  std::int8_t rows[part_rows][tile_bytes];
  std::uint8_t panels[2][tile_rows * tile_bytes];
};

// The tile instructions do not tell g++ 12 that they read memory.
inline void finish_stores() {
  __asm__ volatile("" ::: "memory");
}

// Sums of a step, panel by panel, and which pairs they are of.
struct alignas(64) Step {
  std::int32_t sums[2][2 * tile_rows][panel_width];
  std::uint32_t row = 0, panel = 0;  // the first ones
  std::uint32_t from = 0;            // rows before it have been done
  std::uint32_t rows = 0, panels = 0;
  std::uint32_t fours_done = 0;

  std::uint32_t fours() const { return rows / 4 * panels; }
};

// The latest one and the one before it.
struct Steps {
  Step of[2];
  unsigned latest = 0;
};

// sums (tiles 0 to 3) += rows . columns over 64 dimensions.
template <int RowTiles, int Panels>
inline void multiply_add(const std::int8_t* rows, std::size_t row_bytes, const std::uint8_t* first,
                         const std::uint8_t* second) {
  _tile_loadd(6, first, tile_bytes);
  _tile_loadd(4, rows, row_bytes);
  _tile_dpbsud(0, 4, 6);
  if constexpr (Panels == 2) {
    _tile_loadd(7, second, tile_bytes);
    _tile_dpbsud(1, 4, 7);
  }
  if constexpr (RowTiles == 2) {
    _tile_loadd(5, rows + tile_rows * row_bytes, row_bytes);
    _tile_dpbsud(2, 5, 6);
    if constexpr (Panels == 2) _tile_dpbsud(3, 5, 7);
  }
}

template <int RowTiles, int Panels>
inline void store_sums(Step& step) {
  _tile_stored(0, step.sums[0][0], tile_bytes);
  if constexpr (Panels == 2) _tile_stored(1, step.sums[1][0], tile_bytes);
  if constexpr (RowTiles == 2) _tile_stored(2, step.sums[0][tile_rows], tile_bytes);
  if constexpr (RowTiles == 2 && Panels == 2) _tile_stored(3, step.sums[1][tile_rows], tile_bytes);
}

// Columns of a panel, and four rows of a step against them.
struct Four {
  const std::int32_t (*sums)[panel_width];
  std::uint32_t row, first;  // the first row and column
  std::uint32_t done;        // of the four, so many have been dealt with
};
inline Four next_four(Step& step) {
  const std::uint32_t fours = step.rows / 4, p = step.fours_done / fours, r = step.fours_done % fours * 4;
  ++step.fours_done;
  const std::uint32_t row = step.row + r;
  return {step.sums[p] + r, row, (step.panel + p) * panel_width, row < step.from ? step.from - row : 0};
}

struct Columns {
  __m512 scale, bound;
};
inline Columns columns_of(const FilterTile& t, std::uint32_t first) {
  return {_mm512_loadu_ps(t.col_scale + first), _mm512_loadu_ps(t.col_bound + first)};
}
inline __m512 score_of(const FilterTile& t, std::uint32_t row, const Columns& c, const std::int32_t* sums) {
  const __m512i dot = _mm512_add_epi32(_mm512_load_si512(sums), _mm512_set1_epi32(t.row_start[row]));
  const __m512 both = _mm512_mul_ps(c.scale, _mm512_set1_ps(t.row_scale[row]));
  return _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot), both, _mm512_add_ps(c.bound, _mm512_set1_ps(t.row_bound[row])));
}

// Appends the pairs that pass.
struct Append {
  FilterHits hits;

  void operator()(const FilterTile& t, const Four& four) {
    const Columns columns = columns_of(t, four.first);
    const __m512 threshold = _mm512_loadu_ps(t.col_threshold + four.first);
    alignas(64) float scores[5 * panel_width];
    std::uint64_t pass = 0;
#pragma GCC unroll 4
    for (std::uint32_t q = 0; q < 4; ++q) {
      const __m512 score = score_of(t, four.row + q, columns, four.sums[q]);
      const __m512 least = _mm512_min_ps(threshold, _mm512_set1_ps(t.row_threshold[four.row + q]));
      pass |= std::uint64_t{_mm512_cmp_ps_mask(score, least, _CMP_GE_OQ)} << (q * 16);
      _mm512_store_ps(scores + q * panel_width, score);
    }
    if (four.done != 0) pass = four.done < 4 ? pass >> (16 * four.done) << (16 * four.done) : 0;
    hits = append_hits(pass, four.row << 16 | four.first, scores, hits);
  }
};

// Writes all scores; those of rows that come twice are written twice.
struct Write {
  float* scores;
  std::size_t stride;

  void operator()(const FilterTile& t, const Four& four) const {
    const Columns columns = columns_of(t, four.first);
#pragma GCC unroll 4
    for (std::uint32_t q = 0; q < 4; ++q)
      _mm512_storeu_ps(scores + (four.row + q) * stride + four.first, score_of(t, four.row + q, columns, four.sums[q]));
  }
};

// The products of `step`, and meanwhile the scores of `previous`. rest_rows: the Rest of step.row.
template <int RowTiles, int Panels, typename Finish>
void run(const FilterTile& t, const Rest& rest, const std::int8_t* rest_rows, Step& step, Step& previous,
         Finish& finish) {
  const std::size_t panel_bytes = static_cast<std::size_t>(t.code_bytes) * panel_width;
  const std::int8_t* rows = t.rows + static_cast<std::size_t>(step.row) * t.code_bytes;
  const std::uint8_t* panel = t.panels + step.panel * panel_bytes;
  const std::uint32_t chunks = (t.code_bytes + tile_bytes - 1) / tile_bytes;
  const std::uint32_t fours_a_chunk = (previous.fours() + chunks - 1) / chunks;
  _tile_zero(0);
  if constexpr (Panels == 2) _tile_zero(1);
  if constexpr (RowTiles == 2) _tile_zero(2);
  if constexpr (RowTiles == 2 && Panels == 2) _tile_zero(3);
  for (std::uint32_t chunk = 0; chunk < chunks; ++chunk) {
    const std::uint32_t d = chunk * tile_bytes;
    if (d + tile_bytes <= t.code_bytes)
      multiply_add<RowTiles, Panels>(rows + d, t.code_bytes, panel + d * panel_width,
                                     panel + panel_bytes + d * panel_width);
    else
      multiply_add<RowTiles, Panels>(rest_rows, tile_bytes, rest.panels[0], rest.panels[1]);
    for (std::uint32_t f = 0; f < fours_a_chunk && previous.fours_done < previous.fours(); ++f)
      finish(t, next_four(previous));
  }
  store_sums<RowTiles, Panels>(step);
}

void copy_and_pad(const void* from, std::size_t bytes, void* to, std::size_t all_bytes) {
  __builtin_memset(to, 0, all_bytes);
  __builtin_memcpy(to, from, bytes);
}

// Rows begin .. end - 1, at most part_rows of them, against all panels. What is short of whole tiles of rows is made up
// by rows before it, which are compared again and left out: there must be 16 rows up to `end`.
template <typename Finish>
void run_part(const FilterTile& t, std::uint32_t begin, std::uint32_t end, Steps& steps, Finish& finish) {
  const std::uint32_t base = end - begin < tile_rows ? end - tile_rows : begin;
  const std::uint32_t panels = (t.col_count + panel_width - 1) / panel_width;
  const std::uint32_t whole = t.code_bytes / tile_bytes * tile_bytes, rest_bytes = t.code_bytes - whole;
  Rest rest;
  for (std::uint32_t i = base; rest_bytes != 0 && i < end; ++i)
    copy_and_pad(t.rows + static_cast<std::size_t>(i) * t.code_bytes + whole, rest_bytes, rest.rows[i - base],
                 tile_bytes);
  for (std::uint32_t panel = 0; panel < panels; panel += 2) {
    const std::uint32_t both = panels - panel < 2 ? 1 : 2;
    for (std::uint32_t p = 0; rest_bytes != 0 && p < both; ++p)
      copy_and_pad(t.panels + (static_cast<std::size_t>(panel + p) * t.code_bytes + whole) * panel_width,
                   rest_bytes * panel_width, rest.panels[p], sizeof rest.panels[p]);
    finish_stores();
    for (std::uint32_t row = begin; row < end;) {
      Step &previous = steps.of[steps.latest], &step = steps.of[steps.latest ^= 1];
      const bool two = end - row > tile_rows && end - base >= 2 * tile_rows;
      step.rows = two ? 2 * tile_rows : tile_rows;
      step.row = end - row < step.rows ? end - step.rows : row;
      step.panel = panel, step.panels = both, step.from = row, step.fours_done = 0;
      const std::int8_t* rest_rows = rest.rows[step.row - base];
      if (two)
        both == 2 ? run<2, 2>(t, rest, rest_rows, step, previous, finish)
                  : run<2, 1>(t, rest, rest_rows, step, previous, finish);
      else
        both == 2 ? run<1, 2>(t, rest, rest_rows, step, previous, finish)
                  : run<1, 1>(t, rest, rest_rows, step, previous, finish);
      row = step.row + step.rows;
    }
  }
}

// A tile that suits the kernels: enough rows, more than one chunk of dimensions.
bool suits(const FilterTile& tile) {
  return tile.row_count >= tile_rows && tile.code_bytes > tile_bytes;
}

template <typename Finish>
void run_all(const FilterTile& tile, Finish& finish) {
  static constexpr TileShapes shapes;
  _tile_loadconfig(&shapes);
  Steps steps;
  for (std::uint32_t begin = 0; begin < tile.row_count; begin += part_rows) {
    const std::uint32_t left = tile.row_count - begin;
    run_part(tile, begin, begin + (left < part_rows ? left : part_rows), steps, finish);
  }
  Step& last = steps.of[steps.latest];
  while (last.fours_done < last.fours()) finish(tile, next_four(last));
  _tile_release();
}

}  // namespace

std::size_t filter_amx(const FilterTile& tile, const FilterHits& hits) {
  if (!suits(tile)) return filter_avx512(tile, hits);
  Append append{hits};
  run_all(tile, append);
  return static_cast<std::size_t>(append.hits.pairs - hits.pairs);
}

void scores_amx(const FilterTile& tile, float* scores, std::size_t stride) {
  if (!suits(tile)) return scores_avx512(tile, scores, stride);
  Write write{scores, stride};
  run_all(tile, write);
}

}  // namespace lowshot::knn
