#include "diffusion/read_out.h"

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
  return to_float(stored);
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
void SparseReadOut<T>::next(int threads, const Slice& slice, const float* scale, MatrixView<float> scores) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t q = 0; q < queries_.rows(); ++q) {
    float sum[widest_slice] = {};
    for (std::size_t n = 0; n < queries_.cols(); ++n) {
      const NodeId j = queries_(q, n);
      if (j == no_node || !u_.holds(j)) continue;
      const auto row = u_.row(j);
      std::uint32_t& e = read_[q * queries_.cols() + n];
      for (; e < row.size() && row[e].cls - slice.first < slice.count; ++e)
        sum[row[e].cls - slice.first] += value(row[e].score);
    }
    for (std::uint32_t c = 0; c < slice.count; ++c) scores(q, c) = sum[c] * scale[slice.first + c];
  }
}

template void read_out(int, const float*, const Slice&, MatrixView<const NodeId>, const float*, MatrixView<float>);
template void read_out(int, const Half*, const Slice&, MatrixView<const NodeId>, const float*, MatrixView<float>);
template class SparseReadOut<float>;
template class SparseReadOut<Half>;

}  // namespace lowshot::diffusion
