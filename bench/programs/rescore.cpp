// Candidates scored again in float32: gathers of whole rows and inner products. 1 item = 1 candidate; the bytes are
// those of the rows gathered. Rows: the .npy file named first, else made up (inputs.h).
#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "inputs.h"
#include "knn/rescore.h"

namespace {

using namespace lowshot;

Matrix<float> rows;

// The candidates of a row lie anywhere, or among `near` rows beside it, as in rows sorted by list.
void rescore(benchmark::State& state) {
  constexpr std::uint32_t k = 32;
  const std::size_t n = rows.rows(), near = std::min<std::size_t>(n, static_cast<std::size_t>(state.range(0)));
  const knn::StackedRows x{rows, {}};
  const std::uint32_t count = knn::kept_candidates(k);
  std::mt19937_64 random(1);
  std::vector<knn::Candidate> candidates(std::size_t{4096} * count);
  for (std::size_t e = 0; e < candidates.size(); ++e) {
    const std::size_t row = e / count * (n / 4096), first = near == 0 ? 0 : std::min(row, n - near);
    candidates[e] = knn::make_candidate(0, static_cast<NodeId>(first + random() % (near == 0 ? n : near)));
  }
  std::vector<knn::Candidate> scratch;
  std::vector<NodeId> ids(k);
  std::vector<float> similarities(k);
  std::size_t q = 0;
  for (auto _ : state) {
    knn::rescore(x, q * (n / 4096), x, {candidates.data() + q * count, count}, Metric::inner_product, k, scratch,
                 ids.data(), similarities.data());
    benchmark::DoNotOptimize(ids.data());
    q = (q + 1) % 4096;
  }
  state.SetItemsProcessed(state.iterations() * count);
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(count * rows.cols() * sizeof(float)));
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  rows = argc > 1 ? bench::load_rows(argv[1]) : bench::made_up_rows(200'000, 256);
  benchmark::RegisterBenchmark("rescore", rescore)->ArgName("near")->Arg(0)->Arg(2048);
  benchmark::RunSpecifiedBenchmarks();
}
