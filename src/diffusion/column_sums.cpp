// 1' U_t without U_t (design fact 2): 1' U_t = r_t' L_0 with r_0 = 1, r_{t+1} = W' r_t = B D^-1 r_t.
#include <immintrin.h>

#include <vector>

#include "diffusion/places.h"
#include "lowshot/diffusion.h"

namespace lowshot {
namespace {

// Labelled places class by class, rising in each: those of class c are places[begin[c]] .. places[begin[c + 1] - 1].
struct ByClass {
  std::vector<std::uint64_t> begin;
  Array<NodeId> places;

  ByClass(std::span<const std::int32_t> labels, std::uint32_t classes) : begin(classes + 1, 0) {
    for (const std::int32_t label : labels)
      if (label >= 0) ++begin[static_cast<std::size_t>(label) + 1];
    for (std::uint32_t c = 0; c < classes; ++c) begin[c + 1] += begin[c];
    std::vector<std::uint64_t> next(begin);
    places.resize(begin.back());
    for (std::size_t i = 0; i < labels.size(); ++i)
      if (labels[i] >= 0) places[next[static_cast<std::size_t>(labels[i])]++] = static_cast<NodeId>(i);
  }
};

// Four sums, so that no addition waits for the one before it.
double row_sum(const GraphView& graph, const Array<double>& r, std::size_t i) {
  const auto edges = graph.row(i);
  __m256d sums = _mm256_setzero_pd();
  const __m128i node = _mm_set1_epi32(0x7fffffff);
  std::size_t e = 0;
  for (; e + 4 <= edges.size(); e += 4) {
    const __m128i four = _mm_loadu_si128(reinterpret_cast<const __m128i*>(edges.data() + e));
    const __m128i weights = _mm_add_epi32(_mm_srli_epi32(four, 31), _mm_set1_epi32(1));
    const __m256d values = _mm256_i32gather_pd(r.data(), _mm_and_si128(four, node), sizeof(double));
    sums = _mm256_fmadd_pd(_mm256_cvtepi32_pd(weights), values, sums);
  }
  alignas(32) double sum[4];
  _mm256_store_pd(sum, sums);
  for (; e < edges.size(); ++e) sum[0] += edge_weight(edges[e]) * r[edge_node(edges[e])];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

}  // namespace

Matrix<double> column_sums(Context& context, const GraphView& graph, std::span<const std::int32_t> labels,
                           std::uint32_t classes, std::uint32_t iterations) {
  const int threads = context.thread_count();
  diffusion::require_labels(threads, graph, labels, classes);
  const std::size_t n = graph.nodes();
  const ByClass labelled(diffusion::labels_of_places(threads, graph, labels), classes);
  Matrix<double> sums(iterations + 1, classes);
  Array<double> r(n, 1.0), scaled(n);
  for (std::uint32_t t = 0; t <= iterations; ++t) {
#pragma omp parallel num_threads(threads)
    {
      // s_t = r_t' L_0, each class by one thread in the order of places
#pragma omp for schedule(dynamic, 1)
      for (std::uint32_t c = 0; c < classes; ++c) {
        double sum = 0;
        for (std::uint64_t e = labelled.begin[c]; e < labelled.begin[c + 1]; ++e)
          sum += t != 0 && t == iterations ? row_sum(graph, scaled, labelled.places[e]) : r[labelled.places[e]];
        sums(t, c) = sum;
      }
      // r <- B D^-1 r; the last one only where there is a label, above
      if (t != iterations) {
#pragma omp for schedule(static)
        for (std::size_t i = 0; i < n; ++i) scaled[i] = r[i] * graph.inverse_degree[i];
      }
      if (t + 1 < iterations) {
#pragma omp for schedule(dynamic, 1024)
        for (std::size_t i = 0; i < n; ++i) r[i] = row_sum(graph, scaled, i);
      }
    }
  }
  return sums;
}

}  // namespace lowshot
