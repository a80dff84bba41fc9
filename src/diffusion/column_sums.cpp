// 1' U_t without U_t (design fact 2): 1' U_t = r_t' L_0 with r_0 = 1, r_{t+1} = W' r_t = B D^-1 r_t.
#include "diffusion/labels.h"
#include "lowshot/diffusion.h"

namespace lowshot {

Matrix<double> column_sums(Context& context, const GraphView& graph, std::span<const std::int32_t> labels,
                           std::uint32_t classes, std::uint32_t iterations) {
  diffusion::require_labels(graph, labels, classes);
  const std::size_t n = graph.nodes();
  const int threads = context.thread_count();
  Matrix<double> sums = Matrix<double>::zeroed(iterations + 1, classes);
  std::vector<double> r(n, 1.0), scaled(n);
  for (std::uint32_t t = 0; t <= iterations; ++t) {
    // s_t = r_t' L_0
    for (std::size_t i = 0; i < n; ++i)
      if (labels[i] >= 0) sums(t, static_cast<std::size_t>(labels[i])) += r[i];
    if (t == iterations) break;
      // r <- B D^-1 r
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static)
      for (std::size_t i = 0; i < n; ++i) scaled[i] = r[i] * graph.inverse_degree[i];
#pragma omp for schedule(dynamic, 1024)
      for (std::size_t i = 0; i < n; ++i) {
        double sum = 0;
        for (const std::uint32_t edge : graph.row(i)) sum += edge_weight(edge) * scaled[edge_node(edge)];
        r[i] = sum;
      }
    }
  }
  return sums;
}

}  // namespace lowshot
