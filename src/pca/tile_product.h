#pragma once
// The two dense products of this folder as tiles of fixed shape, called from inside OpenMP regions (Eigen runs
// single-threaded here). Each value is summed in the same order on every machine: Eigen cuts the depth of a product
// by the size of the processor's cache, so no product is handed to it that is deeper than the smallest such cut
// (288 for 32 KiB of L1).

#include <Eigen/Core>
#include <algorithm>
#include <cstddef>

#include "lowshot/matrix.h"

namespace lowshot {

inline constexpr std::size_t product_depth = 256;
inline constexpr std::size_t scatter_tile = 192;
inline constexpr std::size_t apply_tile_rows = 256;

using RowMajorFloat = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using ConstRows = Eigen::Map<const RowMajorFloat, 0, Eigen::OuterStride<>>;

inline Eigen::Index index(std::size_t i) {
  return static_cast<Eigen::Index>(i);
}

/// tile (width x height, column-major) <- X[:, column ..]' X[:, row ..], the transpose of a tile of X' X.
inline void cross_product(MatrixView<const float> x, std::size_t row, std::size_t height, std::size_t column,
                          std::size_t width, Eigen::MatrixXf& tile) {
  tile.setZero(index(width), index(height));
  for (std::size_t begin = 0; begin < x.rows(); begin += product_depth) {
    const std::size_t depth = std::min(product_depth, x.rows() - begin);
    const Eigen::OuterStride<> stride(index(x.cols()));
    const ConstRows left(x.row(begin) + column, index(depth), index(width), stride);
    const ConstRows right(x.row(begin) + row, index(depth), index(height), stride);
    tile.noalias() += left.transpose() * right;
  }
}

/// y <- y + x a', x: rows x in, y: rows x out, `a_transposed`: in x out, all row-major without gaps.
inline void add_product(const float* x, std::size_t rows, MatrixView<const float> a_transposed, float* y) {
  const std::size_t in = a_transposed.rows(), out = a_transposed.cols();
  Eigen::Map<RowMajorFloat> result(y, index(rows), index(out));
  for (std::size_t begin = 0; begin < in; begin += product_depth) {
    const std::size_t depth = std::min(product_depth, in - begin);
    const ConstRows left(x + begin, index(rows), index(depth), Eigen::OuterStride<>(index(in)));
    const ConstRows right(a_transposed.row(begin), index(depth), index(out), Eigen::OuterStride<>(index(out)));
    result.noalias() += left * right;
  }
}

}  // namespace lowshot
