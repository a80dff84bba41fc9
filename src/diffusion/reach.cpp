#include "diffusion/reach.h"

#include <algorithm>
#include <vector>

namespace lowshot::diffusion {
namespace {

// Rows of the newest level tell their neighbours instead of being looked for when they are fewer than one in so many of
// the rows that have no level yet: those look at many neighbours each, mostly in vain.
constexpr std::uint64_t few_newest = 8;

void set(std::uint16_t& hops, std::uint32_t value) {
  __atomic_store_n(&hops, static_cast<std::uint16_t>(value), __ATOMIC_RELAXED);
}

}  // namespace

void spread_hops(int threads, const GraphView& graph, Hops& hops, std::uint32_t limit) {
  // A bit a row that was found before: 125 KB a million rows stay in L2.
  constexpr std::size_t word = 64;
  std::vector<std::uint64_t> before((hops.size() + word - 1) / word);
  const auto found_before = [&](std::uint32_t node) { return (before[node / word] >> (node % word) & 1) != 0; };
  std::uint64_t found = 1;
  for (std::uint32_t level = 1; level <= limit && found != 0; ++level) {
    found = 0;
    std::uint64_t newest = 0, left = 0;  // rows of the level before, rows without a level
#pragma omp parallel for num_threads(threads) schedule(static) reduction(+ : newest, left)
    for (std::size_t w = 0; w < before.size(); ++w) {
      before[w] = 0;
      for (std::size_t i = w * word; i < std::min(hops.size(), (w + 1) * word); ++i) {
        before[w] |= std::uint64_t{hops[i] != too_far} << (i % word);
        newest += hops[i] == level - 1;
        left += hops[i] == too_far;
      }
    }
    if (newest * few_newest < left) {
      // The few tell their neighbours. Whoever tells first, the level is the same.
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1024) reduction(+ : found)
      for (std::size_t i = 0; i < hops.size(); ++i) {
        if (__atomic_load_n(&hops[i], __ATOMIC_RELAXED) != level - 1) continue;
        for (const std::uint32_t edge : graph.row(i)) {
          if (found_before(edge_node(edge))) continue;
          set(hops[edge_node(edge)], level);
          ++found;
        }
      }
    } else {
      // B is symmetric, so every row can look for a neighbour found before: it stops at the first one.
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1024) reduction(+ : found)
      for (std::size_t i = 0; i < hops.size(); ++i) {
        if (hops[i] != too_far) continue;
        for (const std::uint32_t edge : graph.row(i))
          if (found_before(edge_node(edge))) {
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
