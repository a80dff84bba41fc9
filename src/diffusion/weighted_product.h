#pragma once
// Products with a weighted graph's B, and sums of columns: what the weighted diffusions have in common.

#include <algorithm>
#include <span>

#include "lowshot/edge_weights.h"
#include "lowshot/matrix.h"

namespace lowshot::diffusion {

/// sum += weight row; separate, so that the compiler sees that the two do not overlap.
template <typename T>
void add_row(const T* __restrict row, T weight, T* __restrict sum, std::size_t width) {
  for (std::size_t c = 0; c < width; ++c) sum[c] += weight * row[c];
}

/// Row i of B from, for all i, by places: summed in the order of the edges; finish(i, row) makes of it what is wanted.
/// With `scale` (one a place) of B diag(scale) from.
template <typename T, typename Finish>
void multiply(int threads, const WeightedGraphView& graph, std::span<const T> scale, MatrixView<const T> from,
              MatrixView<T> to, const Finish& finish) {
  const GraphView& g = graph.graph;
#pragma omp parallel for num_threads(threads) schedule(dynamic, 256)
  for (std::size_t i = 0; i < g.nodes(); ++i) {
    T* sum = to.row(i);
    std::fill_n(sum, to.cols(), T{0});
    const float* weight = graph.weights.data() + (g.offsets[i] - g.offsets[0]);
    for (const std::uint32_t edge : g.row(i)) {
      const std::uint32_t j = edge_node(edge);
      const T w = static_cast<T>(*weight++);
      add_row(from.row(j), scale.empty() ? w : w * scale[j], sum, to.cols());
    }
    finish(i, sum);
  }
}

/// Columns divided by their sums (float64, in the order of rows); a sum of 0 stays 0.
void divide_columns(int threads, MatrixView<float> l);

}  // namespace lowshot::diffusion
