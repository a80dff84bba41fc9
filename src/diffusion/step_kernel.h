#pragma once
// The body of step_avx2.cpp and step_avx512.cpp: the compiler vectorises the fixed-width loops for each. Included by
// those two files alone, each inside its own anonymous namespace.

// Rows of a later edge are fetched while earlier ones are added. Least CPU times of a step of width 64 on one Zen 4
// thread with 2 / 4 / 8 / 16 / 32 edges ahead: 31 / 31 / 28 / 24 / 24 ms at 75,000 nodes, 880 / 887 / 849 / 832 / 807
// ms at 600,000 nodes in random order; with the AVX2 kernel 43 / 40 / 32 / 26 / 26 and 969 / 942 / 878 / 873 / 887 ms.
constexpr std::uint64_t prefetch_edges = 16;

template <int Width>
void step_rows(const StepTask& task, const std::uint32_t* rows, std::size_t begin, std::size_t end) {
  const std::uint64_t* offsets = task.offsets;
  const std::uint32_t* edges = task.neighbours;
  const std::uint64_t base = offsets[0], last = offsets[task.nodes] - base;
  for (std::size_t r = begin; r < end; ++r) {
    const std::size_t i = rows != nullptr ? rows[r] : r;
    float sum[Width] = {};
    for (std::uint64_t e = offsets[i] - base; e < offsets[i + 1] - base; ++e) {
      if (e + prefetch_edges < last) {
        const float* ahead = task.from + std::size_t{edges[e + prefetch_edges] & ~weight2_bit} * Width;
        for (int line = 0; line < Width; line += 16) __builtin_prefetch(ahead + line);
      }
      const float* from = task.from + std::size_t{edges[e] & ~weight2_bit} * Width;
      const float weight = static_cast<float>(1 + (edges[e] >> 31));
      for (int c = 0; c < Width; ++c) sum[c] += weight * from[c];
    }
    const float scale = task.inverse_degree[i];
    float* to = task.to + i * Width;
    for (int c = 0; c < Width; ++c) to[c] = sum[c] * scale;
  }
}

void step_any(const StepTask& task, const std::uint32_t* rows, std::size_t begin, std::size_t end) {
  switch (task.width) {
    case 16:
      return step_rows<16>(task, rows, begin, end);
    case 32:
      return step_rows<32>(task, rows, begin, end);
    case 48:
      return step_rows<48>(task, rows, begin, end);
    default:
      return step_rows<64>(task, rows, begin, end);
  }
}
