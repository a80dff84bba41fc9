#include "diffusion/reach.h"

namespace lowshot::diffusion {

Hops hops_from(int threads, const GraphView& graph, const std::vector<bool>& is_source, std::uint32_t limit) {
  const std::size_t n = graph.nodes();
  Hops hops(n, too_far);
  for (std::size_t i = 0; i < n; ++i)
    if (is_source[i]) hops[i] = 0;
  // B is symmetric, so every row can look for a neighbour of the level before instead of being told by one: no writes
  // to other rows. Marks of the running level are told apart by their number.
  std::uint64_t found = 1;
  for (std::uint32_t level = 1; level <= limit && found != 0; ++level) {
    found = 0;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1024) reduction(+ : found)
    for (std::size_t i = 0; i < n; ++i) {
      if (__atomic_load_n(&hops[i], __ATOMIC_RELAXED) != too_far) continue;
      for (const std::uint32_t edge : graph.row(i))
        if (__atomic_load_n(&hops[edge_node(edge)], __ATOMIC_RELAXED) == level - 1) {
          __atomic_store_n(&hops[i], static_cast<std::uint16_t>(level), __ATOMIC_RELAXED);
          ++found;
          break;
        }
    }
  }
  return hops;
}

std::vector<std::uint32_t> rows_of_step(const Hops& from_labels, const Hops& from_readout, std::uint32_t t,
                                        std::uint32_t last) {
  std::vector<std::uint32_t> rows;
  for (std::size_t i = 0; i < from_labels.size(); ++i)
    if (from_labels[i] <= t && from_readout[i] <= last - t) rows.push_back(static_cast<std::uint32_t>(i));
  return rows;
}

}  // namespace lowshot::diffusion
