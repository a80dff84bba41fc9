#include "diffusion/last_step.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "core/half.h"
#include "diffusion/row_sum.h"

namespace lowshot::diffusion {
namespace {

constexpr std::size_t group_bytes = std::size_t{8} << 20;

std::uint64_t queries_of_group(std::uint64_t k, std::uint32_t classes) {
  return std::max<std::uint64_t>(1, group_bytes / (std::max<std::uint64_t>(k, 1) * classes * sizeof(float)));
}

void store(__m256 scores, float* to) {
  _mm256_storeu_ps(to, scores);
}
void store(__m256 scores, Half* to) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm256_cvtps_ph(scores, _MM_FROUND_TO_NEAREST_INT));
}
__m256 load(const float* from) {
  return _mm256_loadu_ps(from);
}
__m256 load(const Half* from) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
}

}  // namespace

QueryGroups::QueryGroups(int threads, MatrixView<const NodeId> named, std::uint32_t classes)
    : queries(named.rows()), group(static_cast<std::uint32_t>(queries_of_group(named.cols(), classes))) {
  std::vector<NodeId> lowest(named.rows(), no_node);
  for (std::size_t q = 0; q < named.rows(); ++q)
    for (const NodeId j : named.row_span(q)) lowest[q] = std::min(lowest[q], j);  // no_node is above every place
  std::iota(queries.begin(), queries.end(), 0u);
  std::sort(queries.begin(), queries.end(),
            [&](std::uint32_t a, std::uint32_t b) { return std::pair(lowest[a], a) < std::pair(lowest[b], b); });
  rows.resize((queries.size() + group - 1) / group);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t g = 0; g < rows.size(); ++g) {
    for (std::size_t e = g * group; e < std::min(queries.size(), (g + 1) * group); ++e)
      for (const NodeId j : named.row_span(queries[e]))
        if (j != no_node) rows[g].push_back(j);
    std::sort(rows[g].begin(), rows[g].end());
    rows[g].erase(std::unique(rows[g].begin(), rows[g].end()), rows[g].end());
  }
}

std::uint64_t QueryGroups::edges(const GraphView& graph) const {
  std::uint64_t sum = 0;
  for (const auto& of_group : rows)
    for (const NodeId j : of_group) sum += graph.row(j).size();
  return sum;
}

template <typename T>
void last_step(int threads, const GraphView& graph, const SparseScores<T>& u, std::span<const Slice> slices,
               MatrixView<const NodeId> queries, const QueryGroups& groups, const float* scale,
               const std::function<void(const Slice&, MatrixView<const float>)>& emit) {
  const std::uint32_t classes = slices.back().first + slices.back().count;
  Array<float> scores(queries.rows() * classes);  // slice after slice
#pragma omp parallel num_threads(threads)
  {
    RowSum sum(classes);
    std::array<Terms<T>, 2> terms;
    const std::size_t width = sum.places();
    std::vector<T> made;  // rows of the group, as the step would store them
    std::vector<float> total(width);
#pragma omp for schedule(dynamic, 1)
    for (std::size_t g = 0; g < groups.rows.size(); ++g) {
      const std::vector<NodeId>& rows = groups.rows[g];
      made.assign(rows.size() * width, T{});
      sum_rows<T>(graph, u, rows, terms, sum, [&](std::size_t r) {
        sum.take(graph.inverse_degree[rows[r]],
                 [&](std::uint32_t first, __m256 row) { store(row, made.data() + r * width + first); });
      });
      for (std::size_t e = g * groups.group; e < std::min(queries.rows(), (g + 1) * groups.group); ++e) {
        const std::size_t q = groups.queries[e];
        std::fill(total.begin(), total.end(), 0.0f);
        for (const NodeId j : queries.row_span(q)) {
          if (j == no_node) continue;
          const T* row = made.data() +
                         static_cast<std::size_t>(std::lower_bound(rows.begin(), rows.end(), j) - rows.begin()) * width;
          for (std::size_t c = 0; c < width; c += RowSum::group)
            _mm256_storeu_ps(&total[c], _mm256_add_ps(_mm256_loadu_ps(&total[c]), load(row + c)));
        }
        for (const Slice& slice : slices) {
          float* to = scores.data() + queries.rows() * slice.first + q * slice.count;
          for (std::uint32_t c = 0; c < slice.count; ++c) to[c] = total[slice.first + c] * scale[slice.first + c];
        }
      }
    }
  }
  for (const Slice& slice : slices)
    emit(slice, {scores.data() + queries.rows() * slice.first, queries.rows(), slice.count});
}

std::uint64_t last_step_memory(int threads, std::uint64_t queries, std::uint64_t k, std::uint32_t classes) {
  const std::uint64_t rows = std::min(queries, queries_of_group(k, classes)) * k;
  return queries * (classes * sizeof(float) + 2 * sizeof(std::uint32_t) + k * sizeof(NodeId)) +
         static_cast<std::uint64_t>(threads) * rows * classes * sizeof(float);
}

template void last_step(int, const GraphView&, const SparseScores<float>&, std::span<const Slice>,
                        MatrixView<const NodeId>, const QueryGroups&, const float*,
                        const std::function<void(const Slice&, MatrixView<const float>)>&);
template void last_step(int, const GraphView&, const SparseScores<Half>&, std::span<const Slice>,
                        MatrixView<const NodeId>, const QueryGroups&, const float*,
                        const std::function<void(const Slice&, MatrixView<const float>)>&);

}  // namespace lowshot::diffusion
