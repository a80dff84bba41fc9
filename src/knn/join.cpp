#include "knn/join.h"

#include <omp.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "knn/similarity.h"

namespace lowshot::knn {
namespace {

// 512 rows of 256 dimensions: 128 KiB of codes a side, and the floats of both sides (1 MiB) about fill a core's L2.
constexpr std::uint32_t largest_block = 512;
// Columns between two looks at the hits: thresholds rise while a block pair is worked on.
constexpr std::uint32_t step_columns = 2 * panel_width;

struct Range {
  std::uint32_t begin, end;
};

std::uint32_t block_size(std::size_t rows, std::size_t wanted_blocks, std::uint32_t multiple) {
  const std::size_t size = (rows + wanted_blocks - 1) / wanted_blocks;
  const std::size_t rounded = (size + multiple - 1) / multiple * multiple;
  return static_cast<std::uint32_t>(std::clamp<std::size_t>(rounded, multiple, largest_block));
}

Range block(std::size_t rows, std::uint32_t size, std::size_t i) {
  return {static_cast<std::uint32_t>(i * size),
          static_cast<std::uint32_t>(std::min<std::size_t>(rows, (i + 1) * size))};
}

// What each thread needs beside the sides: room for the hits of one step, and thresholds that never let in.
struct Scratch {
  std::vector<std::uint32_t> pairs = std::vector<std::uint32_t>(largest_block * step_columns + panel_width);
  std::vector<float> scores = std::vector<float>(pairs.size());
  std::vector<float> closed = std::vector<float>(largest_block + panel_width, std::numeric_limits<float>::infinity());
};

void join_blocks(const Side& a, Range rows, const Side& b, Range cols, bool cols_take, Metric metric,
                 FilterKernel kernel, Scratch& scratch) {
  FilterTile tile{};
  tile.code_bytes = a.codes->code_bytes;
  tile.rows = a.codes->rows.row(rows.begin);
  tile.row_start = a.codes->start.data() + rows.begin;
  tile.row_scale = a.codes->scale.data() + rows.begin;
  tile.row_bound = a.codes->bound.data() + rows.begin;
  tile.row_threshold = a.lists != nullptr ? a.lists->thresholds() + rows.begin : scratch.closed.data();
  tile.row_count = rows.end - rows.begin;
  for (std::uint32_t first = cols.begin; first < cols.end; first += step_columns) {
    tile.panels = b.codes->panels.row(first / panel_width);
    tile.col_scale = b.codes->scale.data() + first;
    tile.col_bound = b.codes->bound.data() + first;
    tile.col_threshold = cols_take ? b.lists->thresholds() + first : scratch.closed.data();
    tile.col_count = std::min(step_columns, cols.end - first);
    const std::size_t hits = kernel(tile, {scratch.pairs.data(), scratch.scores.data()});
    for (std::size_t h = 0; h < hits; ++h) {
      const std::uint32_t i = rows.begin + (scratch.pairs[h] >> 16), j = first + (scratch.pairs[h] & 0xffff);
      if (j >= cols.end) continue;
      const float s = similarity(a.x, i, b.x, j, metric);
      if (a.lists != nullptr) a.lists->offer(i, s, b.first_id + j);
      if (cols_take) b.lists->offer(j, s, a.first_id + i);
    }
  }
}

}  // namespace

void join_within(Context& context, const Side& set, Metric metric) {
  const std::size_t n = set.x.rows();
  if (n == 0) return;
  const int threads = context.thread_count();
  const FilterKernel kernel = filter_backend(context.isa).kernel;
  const std::uint32_t size = block_size(n, 4 * static_cast<std::size_t>(threads), step_columns);
  const std::size_t blocks = (n + size - 1) / size;
  std::vector<Scratch> scratch(static_cast<std::size_t>(threads));

#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
  for (std::size_t i = 0; i < blocks; ++i)
    join_blocks(set, block(n, size, i), set, block(n, size, i), false, metric, kernel,
                scratch[static_cast<std::size_t>(omp_get_thread_num())]);

  // Circle method: with `teams` even, team teams-1 stays and the others turn; each round pairs all of them.
  const std::size_t teams = blocks + blocks % 2;
  for (std::size_t round = 0; round + 1 < teams; ++round) {
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (std::size_t game = 0; game < teams / 2; ++game) {
      const std::size_t turning = teams - 1;
      const std::size_t home = game == 0 ? turning : (round + game) % turning;
      const std::size_t guest = (round + turning - game) % turning;
      if (home >= blocks || guest >= blocks) continue;  // the empty team of an odd number
      join_blocks(set, block(n, size, home), set, block(n, size, guest), true, metric, kernel,
                  scratch[static_cast<std::size_t>(omp_get_thread_num())]);
    }
    context.report("k-NN graph", round + 1, teams - 1, "rounds");
  }
}

void join_between(Context& context, const Side& a, const Side& b, Metric metric) {
  const std::size_t n = a.x.rows(), m = b.x.rows();
  if (n == 0 || m == 0) return;
  const int threads = context.thread_count();
  const FilterKernel kernel = filter_backend(context.isa).kernel;
  const std::uint32_t a_size = block_size(n, 4 * static_cast<std::size_t>(threads), 4);
  const std::uint32_t b_size = block_size(m, 4 * static_cast<std::size_t>(threads), step_columns);
  const std::size_t a_blocks = (n + a_size - 1) / a_size, b_blocks = (m + b_size - 1) / b_size;
  std::vector<Scratch> scratch(static_cast<std::size_t>(threads));
  // In round r block i of the side with fewer blocks meets block i + r of the other: no block plays twice.
  const std::size_t few = std::min(a_blocks, b_blocks), many = std::max(a_blocks, b_blocks);
  for (std::size_t round = 0; round < many; ++round) {
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (std::size_t i = 0; i < few; ++i) {
      const std::size_t other = (i + round) % many;
      const std::size_t a_block = a_blocks <= b_blocks ? i : other, b_block = a_blocks <= b_blocks ? other : i;
      join_blocks(a, block(n, a_size, a_block), b, block(m, b_size, b_block), b.lists != nullptr, metric, kernel,
                  scratch[static_cast<std::size_t>(omp_get_thread_num())]);
    }
    context.report("k-NN search", round + 1, many, "rounds");
  }
}

}  // namespace lowshot::knn
