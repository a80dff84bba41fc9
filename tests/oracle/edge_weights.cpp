#include "oracle/edge_weights.h"

#include <algorithm>
#include <cmath>

#include "oracle/made_up_rows.h"
#include "oracle/neighbours.h"

namespace oracle {

Cosines clustered_cosines(std::size_t n, std::size_t k, bool ragged, std::uint32_t seed) {
  const MadeUpRows rows = make_rows(Shape::clustered, n, 12, seed);
  Cosines result{Dense(n, n), Lists(n)};
  const auto nearest_rows = nearest(Similarity::inner_product, rows, rows);
  for (std::size_t i = 0; i < n; ++i) {
    for (const Neighbour& j : nearest_rows[i])
      result.similarity(i, static_cast<std::size_t>(j.id)) = static_cast<float>(j.similarity);
    const std::size_t length = ragged ? k - i % 3 : k;
    result.lists[i].push_back(static_cast<std::int64_t>(i));
    for (const Neighbour& j : nearest_rows[i])
      if (j.id != static_cast<std::int64_t>(i) && result.lists[i].size() < length) result.lists[i].push_back(j.id);
  }
  return result;
}

std::vector<double> squared_scales(const Cosines& cosines) {
  std::vector<double> scales;
  for (std::size_t i = 0; i < cosines.lists.size(); ++i)
    scales.push_back(std::max(1e-6, 2 - 2 * cosines.similarity(i, static_cast<std::size_t>(cosines.lists[i].back()))));
  return scales;
}

Dense self_tuning(const Cosines& cosines, double gain) {
  const std::vector<double> scales = squared_scales(cosines);
  Dense b = symmetric(adjacency(cosines.lists));
  for (std::size_t i = 0; i < b.rows; ++i)
    for (std::size_t j = 0; j < b.cols; ++j) {
      const double squared = std::max(0.0, 2 - 2 * cosines.similarity(i, j));
      b(i, j) *= std::exp(-gain * squared / std::sqrt(scales[i] * scales[j]));
    }
  return b;
}

}  // namespace oracle
