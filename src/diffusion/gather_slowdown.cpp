#include <algorithm>
#include <cmath>
#include <vector>

#include "lowshot/diffusion_time.h"
#include "lowshot/matrix.h"
#include "lowshot/time_plan.h"

namespace lowshot {
namespace {

constexpr std::size_t width = 64;                            // the widest slice
constexpr std::uint64_t most_rows = std::uint64_t{1} << 21;  // 512 MiB of scores
constexpr std::uint64_t visited_rows = 20000;                // a million gathers
constexpr std::uint64_t run = 256;                           // consecutive rows share neighbours: rows a thread takes

// Any mixing will do: which node of its stretch an edge leads to.
std::uint64_t mixed(std::uint64_t x) {
  x = (x ^ (x >> 31)) * 0x9e3779b97f4a7c15u;
  return (x ^ (x >> 29)) * 0xbf58476d1ce4e5b9u >> 20;
}

// Seconds a gather. Least of three: the first also meets cold pages.
double gather_seconds(int threads, const GraphView& sample, const Matrix<float>& scores) {
  const std::uint64_t rows = scores.rows(), nodes = sample.nodes();
  const double stretch = static_cast<double>(rows) / static_cast<double>(nodes);
  const std::uint64_t runs = (std::min(visited_rows, rows) + run - 1) / run;
  Matrix<float> sums(runs, width);
  double least = INFINITY;
  std::uint64_t gathers = 0;
  for (int repeat = 0; repeat < 3; ++repeat) {
    gathers = 0;
    const double seconds = seconds_of([&] {
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1) reduction(+ : gathers)
      for (std::uint64_t r = 0; r < runs; ++r) {
        float sum[width] = {};
        const std::uint64_t first = rows * r / runs;
        for (std::uint64_t row = first; row < std::min(rows, first + run); ++row) {
          const auto node = std::min(nodes - 1, static_cast<std::uint64_t>(static_cast<double>(row) / stretch));
          for (const std::uint32_t edge : sample.row(node)) {
            const auto begin = static_cast<std::uint64_t>(edge_node(edge) * stretch);
            const std::uint64_t within = mixed(row * 0x10001 + edge) % static_cast<std::uint64_t>(std::ceil(stretch));
            const float* from = scores.row(std::min(rows - 1, begin + within));
            for (std::size_t c = 0; c < width; ++c) sum[c] += from[c];
            ++gathers;
          }
        }
        std::copy_n(sum, width, sums.row(r));
      }
    });
    least = std::min(least, seconds);
  }
  return gathers == 0 ? 0 : least / static_cast<double>(gathers);
}

}  // namespace

double gather_slowdown(Context& context, const GraphView& sample, std::uint64_t nodes) {
  if (sample.nodes() == 0 || nodes <= sample.nodes()) return 1;
  const int threads = context.thread_count();
  const double small = gather_seconds(threads, sample, Matrix<float>::zeroed(sample.nodes(), width));
  const double large = gather_seconds(threads, sample, Matrix<float>::zeroed(std::min(nodes, most_rows), width));
  return small > 0 ? std::max(1.0, large / small) : 1;
}

}  // namespace lowshot
