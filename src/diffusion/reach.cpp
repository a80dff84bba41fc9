#include "diffusion/reach.h"

#include <algorithm>
#include <vector>

namespace lowshot::diffusion {
namespace {

void set(std::uint16_t& hops, std::uint32_t value) {
  __atomic_store_n(&hops, static_cast<std::uint16_t>(value), __ATOMIC_RELAXED);
}

}  // namespace

void spread_hops(int threads, const GraphView& graph, Hops& hops, std::uint32_t limit) {
  // B is symmetric, so every row can look for a neighbour found before instead of being told by one: no writes to other
  // rows. A bit each: 125 KB a million rows stay in L2.
  constexpr std::size_t word = 64;
  std::vector<std::uint64_t> before((hops.size() + word - 1) / word);
  std::uint64_t found = 1;
  for (std::uint32_t level = 1; level <= limit && found != 0; ++level) {
    found = 0;
#pragma omp parallel num_threads(threads)
    {
#pragma omp for schedule(static)
      for (std::size_t w = 0; w < before.size(); ++w) {
        before[w] = 0;
        for (std::size_t i = w * word; i < std::min(hops.size(), (w + 1) * word); ++i)
          before[w] |= std::uint64_t{hops[i] != too_far} << (i % word);
      }
#pragma omp for schedule(dynamic, 1024) reduction(+ : found)
      for (std::size_t i = 0; i < hops.size(); ++i) {
        if (hops[i] != too_far) continue;
        for (const std::uint32_t edge : graph.row(i))
          if ((before[edge_node(edge) / word] >> (edge_node(edge) % word) & 1) != 0) {
            hops[i] = static_cast<std::uint16_t>(level);
            ++found;
            break;
          }
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
