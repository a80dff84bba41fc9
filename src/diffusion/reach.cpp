#include "diffusion/reach.h"

namespace lowshot::diffusion {
namespace {

std::uint16_t get(const std::uint16_t& hops) {
  return __atomic_load_n(&hops, __ATOMIC_RELAXED);
}
void set(std::uint16_t& hops, std::uint32_t value) {
  __atomic_store_n(&hops, static_cast<std::uint16_t>(value), __ATOMIC_RELAXED);
}

}  // namespace

void spread_hops(int threads, const GraphView& graph, Hops& hops, std::uint32_t limit) {
  // B is symmetric, so every row can look for a neighbour of the level before instead of being told by one: no writes
  // to other rows. Marks of the running level are told apart by their number.
  std::uint64_t found = 1;
  for (std::uint32_t level = 1; level <= limit && found != 0; ++level) {
    found = 0;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1024) reduction(+ : found)
    for (std::size_t i = 0; i < hops.size(); ++i) {
      if (get(hops[i]) != too_far) continue;
      for (const std::uint32_t edge : graph.row(i))
        if (get(hops[edge_node(edge)]) == level - 1) {
          set(hops[i], level);
          ++found;
          break;
        }
    }
  }
}

Reach::Reach(int threads, const GraphView& graph, std::span<const std::int32_t> labels,
             MatrixView<const NodeId> queries, std::uint32_t last)
    : last_(last), from_labels_(graph.nodes()), from_readout_(graph.nodes()) {
#pragma omp parallel num_threads(threads)
  {
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < labels.size(); ++i) {
      from_labels_[i] = labels[i] >= 0 ? 0 : too_far;
      from_readout_[i] = too_far;
    }
#pragma omp for schedule(static)
    for (std::size_t e = 0; e < queries.size(); ++e)
      if (queries.data()[e] != no_node) set(from_readout_[queries.data()[e]], 0);
  }
  spread_hops(threads, graph, from_labels_, last);
  spread_hops(threads, graph, from_readout_, last);
}

}  // namespace lowshot::diffusion
