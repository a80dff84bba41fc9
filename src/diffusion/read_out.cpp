#include "diffusion/read_out.h"

#include <immintrin.h>

#include <algorithm>
#include <vector>

namespace lowshot::diffusion {
namespace {

__m256 load(const float* from) {
  return _mm256_load_ps(from);
}
__m256 load(const Half* from) {
  return _mm256_cvtph_ps(_mm_load_si128(reinterpret_cast<const __m128i*>(from)));
}

constexpr std::uint32_t part = 16;  // classes whose sums stay in registers; widths are multiples of it

// sum[0 .. width) of the rows that a query names.
template <typename T>
void sum_rows(const T* u, std::uint32_t width, std::span<const NodeId> query, float* sum) {
  for (std::uint32_t c = 0; c < width; c += part) {
    __m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();
    for (const NodeId j : query) {
      if (j == no_node) continue;
      const T* from = u + std::size_t{j} * width + c;
      low = _mm256_add_ps(low, load(from));
      high = _mm256_add_ps(high, load(from + part / 2));
    }
    _mm256_store_ps(sum + c, low);
    _mm256_store_ps(sum + c + part / 2, high);
  }
}

template <typename T>
[[gnu::always_inline]] inline void prefetch_rows(const T* u, std::uint32_t width, std::span<const NodeId> query) {
  for (const NodeId j : query)
    if (j != no_node)
      for (std::uint32_t c = 0; c < width; c += line_values<T>) __builtin_prefetch(u + std::size_t{j} * width + c);
}

float value(float stored) {
  return stored;
}
float value(Half stored) {
  return _cvtsh_ss(stored.bits);
}

}  // namespace

Array<std::uint32_t> near_queries(std::size_t places, MatrixView<const NodeId> queries) {
  Array<NodeId> lowest(queries.rows());
  std::vector<std::uint32_t> next(places + 2, 0);  // of each lowest place, those that name nothing last
  for (std::size_t q = 0; q < queries.rows(); ++q) {
    lowest[q] = static_cast<NodeId>(places);
    for (const NodeId j : queries.row_span(q)) lowest[q] = std::min(lowest[q], j);  // no_node is above every place
    ++next[lowest[q] + 1];
  }
  for (std::size_t i = 1; i < next.size(); ++i) next[i] += next[i - 1];
  Array<std::uint32_t> order(queries.rows());
  for (std::size_t q = 0; q < queries.rows(); ++q) order[next[lowest[q]]++] = static_cast<std::uint32_t>(q);
  return order;
}

template <typename T>
void read_out(int threads, const T* u, const Slice& slice, MatrixView<const NodeId> queries,
              std::span<const std::uint32_t> order, const float* scale, MatrixView<float> scores) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t e = 0; e < order.size(); ++e) {
    if (e + 1 < order.size()) prefetch_rows(u, slice.width, queries.row_span(order[e + 1]));
    alignas(64) float sum[widest_slice];
    sum_rows(u, slice.width, queries.row_span(order[e]), sum);
    for (std::uint32_t c = 0; c < slice.count; ++c) scores(order[e], c) = sum[c] * scale[slice.first + c];
  }
}

template <typename T>
void read_out(int threads, const SparseScores<T>& u, std::span<const Slice> slices, MatrixView<const NodeId> queries,
              const float* scale, std::uint64_t room,
              const std::function<void(const Slice&, MatrixView<const float>)>& emit) {
  const std::size_t slice_floats = queries.rows() * slices[0].count;
  const std::size_t batch = std::clamp<std::size_t>(room / std::max<std::size_t>(slice_floats, 1), 1, slices.size());
  Matrix<float> scores(batch, slice_floats);
  for (std::size_t begin = 0; begin < slices.size(); begin += batch) {
    const std::span<const Slice> now = slices.subspan(begin, std::min(batch, slices.size() - begin));
    const std::uint32_t first = now.front().first, count = now.back().first + now.back().count - first;
#pragma omp parallel num_threads(threads)
    {
      std::vector<float> sum(count);
#pragma omp for schedule(static)
      for (std::size_t q = 0; q < queries.rows(); ++q) {
        std::fill(sum.begin(), sum.end(), 0.0f);
        for (const NodeId j : queries.row_span(q)) {
          if (j == no_node || !u.holds(j)) continue;
          const auto row = u.row(j);
          auto entry = std::lower_bound(row.begin(), row.end(), first,
                                        [](const ClassScore<T>& s, std::uint32_t cls) { return s.cls < cls; });
          for (; entry != row.end() && entry->cls - first < count; ++entry)
            sum[entry->cls - first] += value(entry->score);
        }
        for (std::size_t s = 0; s < now.size(); ++s)
          for (std::uint32_t c = 0; c < now[s].count; ++c)
            scores(s, q * now[s].count + c) = sum[now[s].first - first + c] * scale[now[s].first + c];
      }
    }
    for (std::size_t s = 0; s < now.size(); ++s) emit(now[s], {scores.row(s), queries.rows(), now[s].count});
  }
}

template void read_out(int, const float*, const Slice&, MatrixView<const NodeId>, std::span<const std::uint32_t>,
                       const float*, MatrixView<float>);
template void read_out(int, const Half*, const Slice&, MatrixView<const NodeId>, std::span<const std::uint32_t>,
                       const float*, MatrixView<float>);
template void read_out(int, const SparseScores<float>&, std::span<const Slice>, MatrixView<const NodeId>, const float*,
                       std::uint64_t, const std::function<void(const Slice&, MatrixView<const float>)>&);
template void read_out(int, const SparseScores<Half>&, std::span<const Slice>, MatrixView<const NodeId>, const float*,
                       std::uint64_t, const std::function<void(const Slice&, MatrixView<const float>)>&);

}  // namespace lowshot::diffusion
