// The 8-bit filter of the k-NN search: products of tiles, by instruction set. 1 item = 1 multiply-add.
#include <benchmark/benchmark.h>

#include <limits>
#include <string>
#include <vector>

#include "inputs.h"
#include "knn/filter.h"

namespace {

using namespace lowshot;

constexpr std::size_t tile = 1024;  // rows and columns: codes of both, and thresholds, lie in the second cache

void filter(benchmark::State& state, Isa isa) {
  const auto dim = static_cast<std::uint32_t>(state.range(0));
  const knn::FilterBackend backend = knn::filter_backend(isa);
  const Matrix<float> x = bench::made_up_rows(tile, dim);
  const knn::FilterSpace space = knn::make_filter_space(1, x, x);
  const knn::FilterRows codes = knn::make_filter_rows(1, x, space, Metric::inner_product, backend, true, true);
  // Similarities that no pair reaches: what is timed is products and comparisons; pairs that pass cost what rescoring
  // costs (lowshot_bench_rescore).
  const std::vector<float> threshold(tile + knn::panel_width, std::numeric_limits<float>::infinity());
  std::vector<std::uint32_t> pairs((tile + 1) * (tile + knn::panel_width));
  std::vector<float> scores(pairs.size());
  const knn::FilterTile job{.rows = codes.rows.data(),
                            .row_start = codes.start.data(),
                            .row_scale = codes.scale.data(),
                            .row_bound = codes.bound.data(),
                            .row_threshold = threshold.data(),
                            .row_count = tile,
                            .panels = codes.panels.data(),
                            .col_scale = codes.scale.data(),
                            .col_bound = codes.bound.data(),
                            .col_threshold = threshold.data(),
                            .col_count = tile,
                            .code_bytes = codes.code_bytes};
  for (auto _ : state) benchmark::DoNotOptimize(backend.kernel(job, {pairs.data(), scores.data()}));
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(tile * tile * dim));
}

}  // namespace

int main(int argc, char** argv) {
  for (const Isa isa : all_isas) {
    if (isa > best_isa()) continue;
    benchmark::RegisterBenchmark(("filter/" + std::string(name(isa))).c_str(), filter, isa)
        ->ArgName("dim")
        ->Arg(64)
        ->Arg(256)
        ->Arg(512)
        ->Arg(768);
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
