#pragma once
// The paper's formulas on dense float64 matrices, one plain loop each (reference protocol, sections 4 and 5).

#include <cstddef>
#include <cstdint>
#include <vector>

namespace oracle {

/// rows x cols, row-major.
struct Dense {
  std::size_t rows = 0, cols = 0;
  std::vector<double> values;

  Dense() = default;
  Dense(std::size_t r, std::size_t c) : rows(r), cols(c), values(r * c, 0.0) {}
  double& operator()(std::size_t i, std::size_t j) { return values[i * cols + j]; }
  double operator()(std::size_t i, std::size_t j) const { return values[i * cols + j]; }
};

/// Neighbour lists; a negative id is an empty place.
using Lists = std::vector<std::vector<std::int64_t>>;

/// A[i, j] = 1 when j is in list i, however often.
Dense adjacency(const Lists& lists);
/// B = A + A^T.
Dense symmetric(const Dense& a);
/// D: the row sums of B.
std::vector<double> row_sums(const Dense& b);
/// W = D^-1 B; a row without edges stays zero.
Dense transition(const Dense& b);
/// L_0 .. L_T: one-hot labels (-1: none), then L <- W L; every one with its columns divided by their sums (a zero sum
/// stays zero).
std::vector<Dense> diffuse(const Dense& w, const std::vector<std::int32_t>& labels, std::size_t classes,
                           std::size_t iterations);
/// V = W2 L: the sum of the rows of L that a query names.
Dense read_out(const Dense& l, const Lists& queries);
/// Hops from the nearest source along the edges of B; -1 where none leads there.
std::vector<int> hops(const Dense& b, const std::vector<bool>& is_source);

}  // namespace oracle
