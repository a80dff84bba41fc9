#pragma once
// The diffusion graph B = A + A^T of a k-NN table (paper, section 3.1 and 3.3).

#include <cstdint>
#include <span>

#include "lowshot/allocation.h"
#include "lowshot/context.h"
#include "lowshot/knn_table.h"

namespace lowshot {

/// B in compressed rows: entry (i, j) is 1, or 2 when i and j are in each other's lists or i = j is in its own.
/// There is no weight array: the weight 2 is the top bit of the neighbour's id, which is why n < 2^31.
///
/// Nodes are kept at places of their own choice: node order[i] at place i, so that near nodes lie near each other
/// (lowshot/node_order.h; what it gains is in src/diffusion/step_kernel.h). Rows and neighbours below are places.
/// Whoever uses a graph through diffuse, diffuse_all_nodes or column_sums speaks of nodes and never sees a place.
struct GraphView {
  std::span<const std::uint64_t> offsets;  ///< n + 1; offsets[i]..offsets[i+1] index `neighbours`; may start above 0
  std::span<const std::uint32_t>
      neighbours;  ///< neighbours[e - offsets[0]]: id | (weight 2 ? 0x80000000 : 0), ids rising in a row
  std::span<const float> inverse_degree;  ///< n: 1 / D_i with D_i = sum_j B_ij; 0 for a row without edges
  std::span<const NodeId> order = {};     ///< n, or none: every node is at the place of its own number

  std::size_t nodes() const { return inverse_degree.size(); }
  std::uint64_t edges() const { return offsets.back() - offsets.front(); }
  std::span<const std::uint32_t> row(std::size_t i) const {
    return neighbours.subspan(offsets[i] - offsets.front(), offsets[i + 1] - offsets[i]);
  }
};

inline constexpr std::uint32_t weight2_bit = 0x80000000u;
inline std::uint32_t edge_node(std::uint32_t edge) {
  return edge & ~weight2_bit;
}
inline std::uint32_t edge_weight(std::uint32_t edge) {
  return 1 + (edge >> 31);
}

struct Graph {
  Array<std::uint64_t> offsets;
  Array<std::uint32_t> neighbours;
  Array<float> inverse_degree;
  Array<NodeId> order;

  GraphView view() const { return {offsets, neighbours, inverse_degree, order}; }
};

struct SymmetriseOptions {
  std::uint32_t columns = UINT32_MAX;  ///< use the first so many neighbours of each row only
  std::span<const NodeId> order = {};  ///< where nodes are kept: a permutation of them; none: as they come
};

/// B = A + A^T. A[i, j] = 1 when j is in row i of `table` (an id twice in a row counts once, no_node is no edge).
/// Similarities do not matter here: they chose the neighbours, edges have weight 1.
/// Deterministic; O(n k log k) time, parallel; holds nothing larger than the 2 n k ids of A and A^T, which become B in
/// place. Throws Error (input) for an id beyond the rows and an order that is no permutation of them.
Graph symmetrise(Context& context, const KnnTable& table, const SymmetriseOptions& options = {});

/// Bytes that `symmetrise` holds at its peak, result included.
std::uint64_t symmetrise_memory(std::uint64_t rows, std::uint64_t k);

}  // namespace lowshot
