// What this machine's memory gives, the roof of docs/performance.md: streams read and copied, and whole rows gathered
// in random order, over 1 GiB (no cache holds it), on pages as they come and on large ones. Bytes are those asked for,
// of both sides of a copy.
#include <benchmark/benchmark.h>
#include <omp.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

namespace {

constexpr std::size_t bytes = std::size_t{1} << 30;

// Never given back: every benchmark uses the same two arrays.
float* array(bool large_pages) {
  static float* arrays[2] = {};
  float*& a = arrays[large_pages ? 1 : 0];
  if (a == nullptr) {
    a = static_cast<float*>(std::aligned_alloc(std::size_t{1} << 21, bytes));
    if (a == nullptr) std::abort();
    madvise(a, bytes, large_pages ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
    std::memset(a, 1, bytes);
  }
  return a;
}

void read(benchmark::State& state) {
  const float* a = array(true);
  for (auto _ : state) {
    float sum = 0;
#pragma omp parallel for simd reduction(+ : sum)
    for (std::size_t i = 0; i < bytes / sizeof(float); ++i) sum += a[i];
    benchmark::DoNotOptimize(sum);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
}

void copy(benchmark::State& state) {
  float* a = array(true);
  for (auto _ : state) {
#pragma omp parallel
    {
      const std::size_t part = bytes / 2 / sizeof(float) / static_cast<std::size_t>(omp_get_num_threads());
      const std::size_t first = part * static_cast<std::size_t>(omp_get_thread_num());
      std::memcpy(a + bytes / 2 / sizeof(float) + first, a + first, part * sizeof(float));
    }
    benchmark::ClobberMemory();
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
}

// Rows added up, as a diffusion step does with its neighbours; the next ones are asked for ahead.
void gather(benchmark::State& state, bool large_pages) {
  constexpr std::size_t ahead = 16;
  const float* a = array(large_pages);
  const std::size_t row_bytes = static_cast<std::size_t>(state.range(0)), floats = row_bytes / sizeof(float);
  const std::size_t rows = bytes / row_bytes, count = std::min<std::size_t>(rows, std::size_t{1} << 22);
  std::mt19937_64 random(1);
  std::vector<std::uint32_t> ids(count + ahead);
  for (std::uint32_t& id : ids) id = static_cast<std::uint32_t>(random() % rows);
  for (auto _ : state) {
    float total = 0;
#pragma omp parallel reduction(+ : total)
    {
      std::vector<float> sum(floats);
#pragma omp for schedule(static)
      for (std::size_t e = 0; e < count; ++e) {
        const float* next = a + std::size_t{ids[e + ahead]} * floats;
        for (std::size_t line = 0; line < floats; line += 16) __builtin_prefetch(next + line);
        const float* row = a + std::size_t{ids[e]} * floats;
        for (std::size_t j = 0; j < floats; ++j) sum[j] += row[j];
      }
      total += sum[0];
    }
    benchmark::DoNotOptimize(total);
  }
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(count * row_bytes));
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const auto add = [](auto* bench) { return bench->Unit(benchmark::kMillisecond)->UseRealTime(); };
  add(benchmark::RegisterBenchmark("read", read));
  add(benchmark::RegisterBenchmark("copy", copy));
  for (const bool large : {false, true}) {
    auto* gathers = benchmark::RegisterBenchmark(large ? "gather/large_pages" : "gather/small_pages", gather, large);
    for (const std::int64_t row : {64, 128, 256, 512, 1024}) gathers->Arg(row);
    add(gathers->ArgName("row_bytes"));
  }
  benchmark::RunSpecifiedBenchmarks();
}
