// A step on all classes at once, not in slices: 100 classes of a row are 400 bytes, a few lines, and graphs of the size
// that weighted recipes are for fit into memory several times.
#include <algorithm>
#include <cassert>

#include "diffusion/weighted_product.h"
#include "lowshot/weighted_diffusion.h"

namespace lowshot {
namespace {

void step(int threads, const WeightedGraphView& graph, const Matrix<float>& from, Matrix<float>& to) {
  diffusion::multiply<float>(threads, graph, {}, from, to, [&](std::size_t i, float* sum) {
    for (std::size_t c = 0; c < to.cols(); ++c) sum[c] *= graph.inverse_degree[i];
  });
}

/// Rows of nodes to rows of places (or back).
void move_rows(int threads, std::span<const NodeId> order, bool to_places, Matrix<float>& l, Matrix<float>& other) {
  if (order.empty()) return;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t i = 0; i < l.rows(); ++i)
    std::copy_n(l.row(to_places ? order[i] : i), l.cols(), other.row(to_places ? i : order[i]));
  std::swap(l, other);
}

}  // namespace

namespace diffusion {

constexpr std::size_t strip_columns = 16;  // of one thread in a sum over rows: a cache line

void divide_columns(int threads, MatrixView<float> l) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t first = 0; first < l.cols(); first += strip_columns) {
    const std::size_t width = std::min(strip_columns, l.cols() - first);
    double sum[strip_columns] = {};
    for (std::size_t i = 0; i < l.rows(); ++i)
      for (std::size_t c = 0; c < width; ++c) sum[c] += l(i, first + c);
    for (std::size_t i = 0; i < l.rows(); ++i)
      for (std::size_t c = 0; c < width; ++c)
        if (sum[c] > 0) l(i, first + c) = static_cast<float>(l(i, first + c) / sum[c]);
  }
}

}  // namespace diffusion

using diffusion::add_row;
using diffusion::divide_columns;

Matrix<float> one_hot_labels(std::span<const std::int32_t> labels, std::uint32_t classes) {
  Matrix<float> l = Matrix<float>::zeroed(labels.size(), classes);
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] >= 0) l(i, static_cast<std::size_t>(labels[i])) = 1;
  return l;
}

void diffuse_weighted(Context& context, const WeightedGraphView& graph, Matrix<float>& l, std::uint32_t iterations) {
  assert(l.rows() == graph.graph.nodes());
  const int threads = context.thread_count();
  Matrix<float> other(l.rows(), l.cols());
  move_rows(threads, graph.graph.order, true, l, other);
  for (std::uint32_t t = 0; t < iterations; ++t) {
    step(threads, graph, l, other);
    std::swap(l, other);
  }
  move_rows(threads, graph.graph.order, false, l, other);
  divide_columns(threads, l);
}

Matrix<float> read_out_weighted(Context& context, MatrixView<const float> l, MatrixView<const NodeId> queries,
                                MatrixView<const float> weights) {
  Matrix<float> v = Matrix<float>::zeroed(queries.rows(), l.cols());
#pragma omp parallel for num_threads(context.thread_count()) schedule(static)
  for (std::size_t q = 0; q < queries.rows(); ++q)
    for (std::size_t e = 0; e < queries.cols(); ++e)
      if (queries(q, e) != no_node) add_row(l.row(queries(q, e)), weights(q, e), v.row(q), l.cols());
  return v;
}

Matrix<float> read_out_weighted(Context& context, MatrixView<const float> l, const SparseMatrix& queries) {
  assert(queries.cols == l.rows());
  Matrix<float> v = Matrix<float>::zeroed(queries.rows, l.cols());
#pragma omp parallel for num_threads(context.thread_count()) schedule(dynamic, 256)
  for (std::size_t q = 0; q < queries.rows; ++q)
    for (std::uint64_t e = queries.offsets[q]; e < queries.offsets[q + 1]; ++e)
      add_row(l.row(queries.columns[e]), queries.values[e], v.row(q), l.cols());
  return v;
}

}  // namespace lowshot
