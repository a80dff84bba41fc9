#include "diffusion/read_out.h"

#include <immintrin.h>

#include <algorithm>
#include <vector>

#include "core/half.h"

namespace lowshot::diffusion {
namespace {

void add_row(const float* row, std::uint32_t width, float* sum) {
  for (std::uint32_t c = 0; c < width; ++c) sum[c] += row[c];
}

void add_row(const Half* row, std::uint32_t width, float* sum) {
  float values[widest_slice];
  convert(row, values, width);
  add_row(values, width, sum);
}

float value(float stored) {
  return stored;
}
float value(Half stored) {
  return _cvtsh_ss(stored.bits);
}

}  // namespace

template <typename T>
void read_out(int threads, const T* u, const Slice& slice, MatrixView<const NodeId> queries, const float* scale,
              MatrixView<float> scores) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t q = 0; q < queries.rows(); ++q) {
    float sum[widest_slice] = {};
    for (const NodeId j : queries.row_span(q))
      if (j != no_node) add_row(u + std::size_t{j} * slice.width, slice.width, sum);
    for (std::uint32_t c = 0; c < slice.count; ++c) scores(q, c) = sum[c] * scale[slice.first + c];
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

template void read_out(int, const float*, const Slice&, MatrixView<const NodeId>, const float*, MatrixView<float>);
template void read_out(int, const Half*, const Slice&, MatrixView<const NodeId>, const float*, MatrixView<float>);
template void read_out(int, const SparseScores<float>&, std::span<const Slice>, MatrixView<const NodeId>, const float*,
                       std::uint64_t, const std::function<void(const Slice&, MatrixView<const float>)>&);
template void read_out(int, const SparseScores<Half>&, std::span<const Slice>, MatrixView<const NodeId>, const float*,
                       std::uint64_t, const std::function<void(const Slice&, MatrixView<const float>)>&);

}  // namespace lowshot::diffusion
