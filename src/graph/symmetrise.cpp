// B = A + A^T from a k-NN table (paper, section 3.1: "we symmetrise"), as compressed rows without weights.
//
//   1. column counts of A (how many lists name node j), prefix sums
//   2. A^T by atomic appends, then each of its rows sorted, repeats dropped: the order of appends does not matter
//   3. row i of B = merge of sorted row i of A and row i of A^T; an id in both is mutual and gets weight 2
#include <fmt/format.h>

#include <algorithm>
#include <atomic>

#include "lowshot/error.h"
#include "lowshot/graph.h"

namespace lowshot {
namespace {

// The edges of row i of A: ids of its list without empty places and repeats, rising.
std::size_t out_edges(const KnnTable& table, std::size_t columns, std::size_t i, std::vector<NodeId>& edges) {
  edges.clear();
  for (std::size_t j = 0; j < columns; ++j)
    if (table.ids(i, j) != no_node) edges.push_back(table.ids(i, j));
  std::sort(edges.begin(), edges.end());
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
  return edges.size();
}

// Calls visit(id, mutual) for the union of two rising lists, in order.
template <typename Visit>
void merge(const std::vector<NodeId>& out, std::span<const NodeId> in, const Visit& visit) {
  std::size_t o = 0, i = 0;
  while (o < out.size() || i < in.size()) {
    if (i == in.size() || (o < out.size() && out[o] < in[i])) {
      visit(out[o++], false);
    } else if (o == out.size() || in[i] < out[o]) {
      visit(in[i++], false);
    } else {
      visit(out[o++], true), ++i;
    }
  }
}

}  // namespace

std::uint64_t symmetrise_memory(std::uint64_t rows, std::uint64_t k) {
  const std::uint64_t transposed = rows * k * sizeof(NodeId), both = 2 * transposed;
  return transposed + both + rows * (3 * sizeof(std::uint64_t) + sizeof(float));
}

Graph symmetrise(Context& context, const KnnTable& table, std::uint32_t columns) {
  const std::size_t n = table.rows(), k = std::min<std::size_t>(columns, table.k());
  const int threads = context.thread_count();
  if (n > max_nodes)
    throw Error(ErrorKind::input, fmt::format("{} nodes are more than the {} a graph can hold", n, max_nodes));
  for (std::size_t e = 0; e < table.ids.size(); ++e)
    if (table.ids.data()[e] != no_node && table.ids.data()[e] >= n)
      throw Error(ErrorKind::input, fmt::format("neighbour {} of row {} is not one of the {} rows", table.ids.data()[e],
                                                e / table.k(), n));

  // 1. in-degrees, repeats included: row i of A is sorted only where it must be, in 3
  std::vector<std::uint64_t> in_count(n, 0);  // with repeats a hostile table passes 2^32
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t i = 0; i < n; ++i)
    for (const NodeId j : table.ids.view().row_span(i))
      if (j != no_node) std::atomic_ref(in_count[j]).fetch_add(1, std::memory_order_relaxed);
  std::vector<std::uint64_t> in_offsets(n + 1, 0);
  for (std::size_t i = 0; i < n; ++i) in_offsets[i + 1] = in_offsets[i] + in_count[i];

  // 2. A^T: its row i is in[in_offsets[i]] and the in_count[i] - 1 ids after it
  std::vector<NodeId> in(in_offsets[n]);
  std::fill(in_count.begin(), in_count.end(), 0);
#pragma omp parallel num_threads(threads)
  {
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < n; ++i)
      for (const NodeId j : table.ids.view().row_span(i))
        if (j != no_node)
          in[in_offsets[j] + std::atomic_ref(in_count[j]).fetch_add(1, std::memory_order_relaxed)] =
              static_cast<NodeId>(i);
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < n; ++i) {
      NodeId* begin = in.data() + in_offsets[i];
      NodeId* end = begin + in_count[i];
      std::sort(begin, end);
      in_count[i] = static_cast<std::uint64_t>(std::unique(begin, end) - begin);
    }
  }

  // 3. B, counted, then written
  Graph graph;
  graph.offsets.assign(n + 1, 0);
  graph.inverse_degree.assign(n, 0);
  const auto in_row = [&](std::size_t i) { return std::span(in).subspan(in_offsets[i], in_count[i]); };
#pragma omp parallel num_threads(threads)
  {
    std::vector<NodeId> edges;
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < n; ++i) {
      const std::size_t out = out_edges(table, k, i, edges);
      std::uint64_t distinct = 0;
      merge(edges, in_row(i), [&](NodeId, bool) { ++distinct; });
      graph.offsets[i + 1] = distinct;
      const std::size_t degree = out + in_row(i).size();  // D_i = sum_j B_ij
      graph.inverse_degree[i] = degree == 0 ? 0 : 1 / static_cast<float>(degree);
    }
  }
  for (std::size_t i = 0; i < n; ++i) graph.offsets[i + 1] += graph.offsets[i];
  graph.neighbours.resize(graph.offsets[n]);
#pragma omp parallel num_threads(threads)
  {
    std::vector<NodeId> edges;
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < n; ++i) {
      out_edges(table, k, i, edges);
      std::uint64_t e = graph.offsets[i];
      merge(edges, in_row(i), [&](NodeId j, bool mutual) { graph.neighbours[e++] = j | (mutual ? weight2_bit : 0); });
    }
  }
  return graph;
}

}  // namespace lowshot
