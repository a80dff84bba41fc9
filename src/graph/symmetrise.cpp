// B = A + A^T from a k-NN table (paper, section 3.1: "we symmetrise"), as compressed rows without weights, the nodes at
// places of a given order.
//
//   1. room of each row: its own list and the lists that name it, repeats included; running sums are the rows' places
//   2. each row's own list to its place, its name behind the lists of those it names (atomic appends)
//   3. both lists of a row sorted, repeats dropped, merged in place: an id in both is mutual and gets weight 2
//   4. the gaps that repeats and mutual edges left are closed
// Rows of A and of A^T become B in the memory that they came to: 2 n k ids. A transposed copy beside B took 2.6 n k.
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <vector>

#include "core/prefix_sums.h"
#include "lowshot/error.h"
#include "lowshot/graph.h"

namespace lowshot {
namespace {

constexpr std::size_t chunk_rows = 4096;  // rows whose gaps one thread closes while they are in its cache

template <typename T>
T append(T& count) {
  return std::atomic_ref(count).fetch_add(1, std::memory_order_relaxed);
}

void require_ids(int threads, const KnnTable& table) {
  const std::size_t n = table.rows();
  if (n > max_nodes)
    throw Error(ErrorKind::input, fmt::format("{} nodes are more than the {} a graph can hold", n, max_nodes));
  const NodeId* ids = table.ids.data();
  std::size_t bad = table.ids.size();
#pragma omp parallel for num_threads(threads) schedule(static) reduction(min : bad)
  for (std::size_t e = 0; e < table.ids.size(); ++e)
    if (ids[e] >= n && ids[e] != no_node) bad = std::min(bad, e);
  if (bad != table.ids.size())
    throw Error(ErrorKind::input,
                fmt::format("neighbour {} of row {} is not one of the {} rows", ids[bad], bad / table.k(), n));
}

// Place of each node; empty where nodes stay where they are.
Array<NodeId> places_of(int threads, std::span<const NodeId> order, std::size_t n) {
  if (order.empty()) return {};
  const auto refuse = [&] {
    throw Error(ErrorKind::input, fmt::format("the order of the nodes does not hold each of the {} nodes once", n));
  };
  if (order.size() != n) refuse();
  Array<NodeId> place(n, no_node);
  bool good = true;
#pragma omp parallel for num_threads(threads) schedule(static) reduction(&& : good)
  for (std::size_t i = 0; i < n; ++i)
    good = good && order[i] < n &&
           std::atomic_ref(place[order[i]]).exchange(static_cast<NodeId>(i), std::memory_order_relaxed) == no_node;
  if (!good) refuse();
  return place;
}

// Sorts, drops repeats, returns the new end. Lists that name a row come in order from each thread, mostly from one.
NodeId* tidy(NodeId* begin, NodeId* end) {
  if (!std::is_sorted(begin, end)) std::sort(begin, end);
  return std::unique(begin, end);
}

// Row i of B from row i of A (begin .. middle) and of A^T (middle .. end), in place: what is written never passes what
// is still to be read of A^T, the list of A goes to `own` first. Returns the new end; degree: D_i = sum_j B_ij.
NodeId* merge(NodeId* begin, NodeId* middle, NodeId* end, std::vector<NodeId>& own, std::size_t& degree) {
  own.assign(begin, tidy(begin, middle));
  end = tidy(middle, end);
  degree = own.size() + static_cast<std::size_t>(end - middle);
  NodeId* to = begin;
  const NodeId* in = middle;
  for (const NodeId out : own) {
    while (in != end && *in < out) *to++ = *in++;
    const bool mutual = in != end && *in == out;
    in += mutual;
    *to++ = out | (mutual ? weight2_bit : 0);
  }
  while (in != end) *to++ = *in++;
  return to;
}

}  // namespace

std::uint64_t symmetrise_memory(std::uint64_t rows, std::uint64_t k) {
  // ids; offsets and counts; 1 / D, order and places
  return rows * (2 * k * sizeof(NodeId) + 2 * sizeof(std::uint64_t) + sizeof(float) + 2 * sizeof(NodeId));
}

Graph symmetrise(Context& context, const KnnTable& table, const SymmetriseOptions& options) {
  const std::size_t n = table.rows(), k = std::min<std::size_t>(options.columns, table.k());
  const int threads = context.thread_count();
  require_ids(threads, table);
  Graph graph;
  graph.order.assign(options.order.begin(), options.order.end());
  const Array<NodeId> place = places_of(threads, graph.order, n);
  const auto place_of = [&](NodeId node) { return place.empty() ? node : place[node]; };
  const auto list_at = [&](std::size_t i) {
    return table.ids.view().row_span(graph.order.empty() ? i : graph.order[i]).first(k);
  };

  // 1. filled[i]: length of A's row i for now; graph.offsets[i + 1]: what row i takes
  graph.offsets.resize(n + 1);
  Array<std::uint64_t> filled(n);  // with repeats a hostile table passes 2^32
#pragma omp parallel num_threads(threads)
  {
#pragma omp for schedule(static)
    for (std::size_t i = 0; i <= n; ++i) graph.offsets[i] = 0;
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < n; ++i) {
      filled[i] = 0;
      for (const NodeId j : list_at(i))
        if (j != no_node) ++filled[i], append(graph.offsets[place_of(j) + 1]);
    }
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < n; ++i) graph.offsets[i + 1] += filled[i];
  }
  add_up(threads, graph.offsets);

  // 2. A's row i from offsets[i] on; A^T's after it
  graph.neighbours.resize(graph.offsets[n]);
  NodeId* ids = graph.neighbours.data();
  Array<std::uint64_t>& out = filled;  // out[i]: end of what has been written of row i
#pragma omp parallel num_threads(threads)
  {
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < n; ++i) {
      std::uint64_t e = graph.offsets[i];
      out[i] += e;
      for (const NodeId j : list_at(i))
        if (j != no_node) ids[e++] = place_of(j);
    }
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < n; ++i)
      for (const NodeId j : list_at(i))
        if (j != no_node) ids[append(out[place_of(j)])] = static_cast<NodeId>(i);
  }

  // 3. The rows of a chunk close up as they are merged; filled[i + 1] .. become the rows' lengths
  graph.inverse_degree.resize(n);
  const std::size_t chunks = (n + chunk_rows - 1) / chunk_rows;
  std::vector<std::uint64_t> chunk_begin(chunks);  // where its rows lie now
#pragma omp parallel num_threads(threads)
  {
    std::vector<NodeId> own;
#pragma omp for schedule(dynamic, 1)
    for (std::size_t c = 0; c < chunks; ++c) {
      NodeId* to = ids + graph.offsets[c * chunk_rows];
      chunk_begin[c] = graph.offsets[c * chunk_rows];
      for (std::size_t i = c * chunk_rows; i < std::min(n, (c + 1) * chunk_rows); ++i) {
        NodeId* begin = ids + graph.offsets[i];
        const auto own_length =
            std::count_if(list_at(i).begin(), list_at(i).end(), [](NodeId j) { return j != no_node; });
        std::size_t degree = 0;
        const NodeId* end = merge(begin, begin + own_length, ids + graph.offsets[i + 1], own, degree);
        graph.inverse_degree[i] = degree == 0 ? 0 : 1 / static_cast<float>(degree);
        filled[i] = static_cast<std::uint64_t>(end - begin);
        if (filled[i] != 0) std::memmove(to, begin, filled[i] * sizeof(NodeId));  // without any edge all are null
        to += filled[i];
      }
    }
  }

  // 4. Chunks follow each other: one copy at the speed of memory (210 MB of a million nodes in 30 ms), by one thread,
  // because a chunk goes where another one has been.
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t i = 0; i < n; ++i) graph.offsets[i + 1] = filled[i];
  add_up(threads, graph.offsets);
  for (std::size_t c = 0; c < chunks; ++c) {
    const std::uint64_t begin = graph.offsets[c * chunk_rows], end = graph.offsets[std::min(n, (c + 1) * chunk_rows)];
    if (begin != end) std::memmove(ids + begin, ids + chunk_begin[c], (end - begin) * sizeof(NodeId));
  }
  const std::size_t room = graph.neighbours.size();
  graph.neighbours.resize(graph.offsets[n]);
  give_back_pages(ids, graph.neighbours.size() * sizeof(NodeId), room * sizeof(NodeId));
  return graph;
}

}  // namespace lowshot
