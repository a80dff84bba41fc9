// B = A + A^T and whole diffusions, pruned and not. Tables: the prefix of a stored one named first (docs/files.md),
// else that of made-up rows (inputs.h). Items: ids of the table; edges times classes times iterations.
#include <benchmark/benchmark.h>

#include "inputs.h"
#include "lowshot/diffusion.h"
#include "lowshot/graph.h"
#include "lowshot/knn.h"

namespace {

using namespace lowshot;

KnnTable table;

void symmetrise_table(benchmark::State& state) {
  for (auto _ : state) {
    Context context;
    benchmark::DoNotOptimize(symmetrise(context, table));
  }
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(table.ids.size()));
}

void run(benchmark::State& state, Pruning pruning, std::uint32_t iterations, std::size_t labelled) {
  const auto classes = static_cast<std::uint32_t>(state.range(0));
  Context context;
  const Graph graph = symmetrise(context, table);
  const std::vector<std::int32_t> labels = bench::random_labels(table.rows(), labelled, classes);
  const Matrix<NodeId> queries = bench::random_queries(table, table.rows() / 100);
  for (auto _ : state)
    diffuse(context, graph.view(), labels, classes, queries,
            {.iterations = iterations, .pruning = pruning, .read_from = iterations},
            [](std::uint32_t, std::uint32_t, MatrixView<const float> s) { benchmark::DoNotOptimize(s.data()); });
  state.SetItemsProcessed(state.iterations() * static_cast<std::int64_t>(graph.view().edges() * classes * iterations));
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (argc > 1) {
    table = bench::load_table(argv[1], 32);
  } else {
    Context context;
    table = build_knn(context, bench::made_up_rows(50'000, 64), {.k = 32});
  }
  const auto add = [](auto* bench) { bench->Unit(benchmark::kMillisecond)->UseRealTime(); };
  add(benchmark::RegisterBenchmark("symmetrise", symmetrise_table));
  const std::size_t few = table.rows() / 20;
  // One step of slices that are full: what two take more than one.
  add(benchmark::RegisterBenchmark("dense/1", run, Pruning::off, 1U, 0U)->ArgName("classes")->Arg(128));
  add(benchmark::RegisterBenchmark("dense/2", run, Pruning::off, 2U, 0U)->ArgName("classes")->Arg(128));
  add(benchmark::RegisterBenchmark("diffusion/3", run, Pruning::automatic, 3U, few)
          ->ArgName("classes")
          ->Arg(128)
          ->Arg(1024));
  add(benchmark::RegisterBenchmark("diffusion/3/unpruned", run, Pruning::off, 3U, few)
          ->ArgName("classes")
          ->Arg(128)
          ->Arg(1024));
  benchmark::RunSpecifiedBenchmarks();
}
