#pragma once
// The body of step_avx2.cpp and step_avx512.cpp, over `Lanes`, the vectors of each. Included by those two files alone,
// each inside its own anonymous namespace.
//
// Memory is the limit: each edge gathers one or two lines from anywhere. What helped, in CPU seconds of one thread of a
// Zen 5 for a step of 64 classes over 1,000,000 nodes with 53 million edges (seen on a busy machine):
//   rows prefetched 4 / 16 / 32 / 64 / 96 / 128 / 192 edges ahead, half precision, nodes as they came:
//     .69 / .45 / .33 / .21 / .17 / .16 / .18; in cluster order .36 / .25 / .20 / .13 / .11 / .11 / .10;
//   float32: .67 / .46 / .38 / .37 / .38 / .39 / .41; in cluster order .39 / .28 / .22 / .18 / .20 / .24 / .26.
// So it is bytes that count: 16 KiB of rows under way, a third to a half of a first-level cache.
// bfloat16 took as long as float16 to 2 % (.110 and .112 in cluster order) and keeps 8 bits where float16 keeps 11.
constexpr std::uint64_t prefetch_bytes = 16384;
constexpr float weights[2] = {1, 2};

template <typename T, int Width>
void prefetch_row(const T* row) {
  constexpr int line = 64 / sizeof(T);
#pragma GCC unroll 4
  for (int c = 0; c < Width; c += line) __builtin_prefetch(row + c);
}

// The edges of the listed rows, one after the other.
struct EdgeCursor {
  const std::uint64_t* offsets;
  const std::uint32_t* rows;
  std::size_t row, end;
  std::uint64_t edge, row_end;

  EdgeCursor(const std::uint64_t* o, const std::uint32_t* r, std::size_t first, std::size_t last)
      : offsets(o), rows(r), row(first), end(last), edge(0), row_end(0) {
    if (row < end) edge = offsets[rows[row]] - offsets[0], row_end = offsets[rows[row] + 1] - offsets[0];
  }
  /// False behind the last edge.
  bool next(std::uint64_t& e) {
    while (edge == row_end) {
      if (row >= end || ++row >= end) return false;
      edge = offsets[rows[row]] - offsets[0], row_end = offsets[rows[row] + 1] - offsets[0];
    }
    e = edge++;
    return true;
  }
};

template <typename T, int Width, bool Listed>
void step_rows(const StepTask<T>& task, const std::uint32_t* rows, std::size_t begin, std::size_t end) {
  constexpr int vectors = Width / Lanes::count;
  constexpr std::uint64_t prefetch_edges = prefetch_bytes / (Width * sizeof(T));
  const std::uint64_t* offsets = task.offsets;
  const std::uint32_t* edges = task.neighbours;
  const std::uint64_t base = offsets[0], last = offsets[task.nodes] - base;
  const auto row_of = [&](std::uint64_t e) { return task.from + std::size_t{edges[e] & ~weight2_bit} * Width; };
  EdgeCursor ahead(offsets, rows, begin, Listed ? end : begin);
  std::uint64_t far = 0;
  if constexpr (Listed)
    for (std::uint64_t p = 0; p < prefetch_edges && ahead.next(far); ++p) prefetch_row<T, Width>(row_of(far));
  for (std::size_t r = begin; r < end; ++r) {
    const std::size_t i = Listed ? rows[r] : r;
    Lanes::Vector sum[vectors];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) sum[v] = Lanes::zero();
    for (std::uint64_t e = offsets[i] - base; e < offsets[i + 1] - base; ++e) {
      if constexpr (Listed) {
        if (ahead.next(far)) prefetch_row<T, Width>(row_of(far));
      } else {
        if (e + prefetch_edges < last) prefetch_row<T, Width>(row_of(e + prefetch_edges));
      }
      const T* from = row_of(e);
      const Lanes::Vector weight = Lanes::all(weights[edges[e] >> 31]);
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v)
        sum[v] = Lanes::add_product(weight, Lanes::load(from + v * Lanes::count), sum[v]);
    }
    const Lanes::Vector scale = Lanes::all(task.inverse_degree[i]);
    T* to = task.to + i * Width;
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v) Lanes::store(to + v * Lanes::count, Lanes::product(sum[v], scale));
  }
}

template <typename T, int Width>
void step_width(const StepTask<T>& task, const std::uint32_t* rows, std::size_t begin, std::size_t end) {
  rows != nullptr ? step_rows<T, Width, true>(task, rows, begin, end)
                  : step_rows<T, Width, false>(task, rows, begin, end);
}

// The widths of slices: whole cache lines up to 64 values.
template <typename T>
void step_any(const StepTask<T>& task, const std::uint32_t* rows, std::size_t begin, std::size_t end) {
  if constexpr (sizeof(T) == 4) {
    if (task.width == 16) return step_width<T, 16>(task, rows, begin, end);
    if (task.width == 48) return step_width<T, 48>(task, rows, begin, end);
  }
  if (task.width == 32) return step_width<T, 32>(task, rows, begin, end);
  step_width<T, 64>(task, rows, begin, end);
}
