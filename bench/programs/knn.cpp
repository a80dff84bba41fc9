// All-pairs k-NN graphs in memory, exact and by the join, and the exact search of new rows. 1 item = 1 row that gets
// neighbours. Rows: the .npy file named first, else made up (inputs.h), of which the first so many are used.
#include <benchmark/benchmark.h>

#include <algorithm>

#include "inputs.h"
#include "lowshot/knn.h"

namespace {

using namespace lowshot;

Matrix<float> rows;

void build(benchmark::State& state, KnnMethod method, double recall) {
  const std::size_t n = std::min<std::size_t>(rows.rows(), static_cast<std::size_t>(state.range(0)));
  KnnReport report;
  for (auto _ : state) {
    Context context;
    benchmark::DoNotOptimize(
        build_knn(context, rows.view().rows(0, n), {.k = 32, .method = method, .recall = recall}, &report));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(n));
  state.counters["recall"] = report.recall;
  state.counters["probes"] = report.probes;
}

void search(benchmark::State& state, KnnMethod method) {
  const std::size_t n = std::min<std::size_t>(rows.rows(), static_cast<std::size_t>(state.range(0))), m = n / 10;
  for (auto _ : state) {
    Context context;
    benchmark::DoNotOptimize(
        search_knn(context, rows.view().rows(0, m), rows.view().rows(m, n), {.k = 32, .method = method}));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(m));
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  rows = argc > 1 ? bench::load_rows(argv[1]) : bench::made_up_rows(50'000, 256);
  const auto add = [](auto* bench) {
    for (const std::int64_t n : {10'000, 50'000, 200'000})
      if (n <= static_cast<std::int64_t>(rows.rows())) bench->Arg(n);
    bench->ArgName("rows")->Unit(benchmark::kMillisecond)->UseRealTime();
  };
  add(benchmark::RegisterBenchmark("exact", build, KnnMethod::exact, 0.95));
  add(benchmark::RegisterBenchmark("join/.95", build, KnnMethod::join, 0.95));
  add(benchmark::RegisterBenchmark("join/.99", build, KnnMethod::join, 0.99));
  add(benchmark::RegisterBenchmark("search/exact", search, KnnMethod::exact));
  add(benchmark::RegisterBenchmark("search/join", search, KnnMethod::join));
  benchmark::RunSpecifiedBenchmarks();
}
