#pragma once
// The diffusion graph B = A + A^T of a k-NN table (paper, section 3.1 and 3.3).

#include <cstdint>
#include <span>
#include <vector>

#include "lowshot/context.h"
#include "lowshot/knn_table.h"

namespace lowshot {

/// B in compressed rows: entry (i, j) is 1, or 2 when i and j are in each other's lists or i = j is in its own.
/// There is no weight array: the weight 2 is the top bit of the neighbour's id, which is why n < 2^31.
struct GraphView {
  std::span<const std::uint64_t> offsets;  ///< n + 1; offsets[i]..offsets[i+1] index `neighbours`; may start above 0
  std::span<const std::uint32_t>
      neighbours;  ///< neighbours[e - offsets[0]]: id | (weight 2 ? 0x80000000 : 0), ids rising in a row
  std::span<const float> inverse_degree;  ///< n: 1 / D_i with D_i = sum_j B_ij; 0 for a row without edges

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
  std::vector<std::uint64_t> offsets;
  std::vector<std::uint32_t> neighbours;
  std::vector<float> inverse_degree;

  GraphView view() const { return {offsets, neighbours, inverse_degree}; }
};

/// B = A + A^T. A[i, j] = 1 when j is in row i of `table` (an id twice in a row counts once, no_node is no edge).
/// Similarities do not matter here: they chose the neighbours, edges have weight 1.
/// Deterministic; O(n k log k) time; allocates the result and one transposed copy of the table's ids.
/// Throws Error (input) for an id beyond the rows.
/// `columns`: use the first so many neighbours of each row only.
Graph symmetrise(Context& context, const KnnTable& table, std::uint32_t columns = UINT32_MAX);

/// Bytes that `symmetrise` holds at its peak, result included.
std::uint64_t symmetrise_memory(std::uint64_t rows, std::uint64_t k);

}  // namespace lowshot
