#pragma once
// The lists of the approximate k-NN join: centroids of a two-level k-means over 8-bit codes, and the lists nearest to a
// row. Distances are Euclidean on centred rows, which is the order of the cosine and of l2; for inner products of rows
// of different norms it is a guess, whose recall is measured like any other.

#include <cstdint>
#include <span>
#include <vector>

#include "knn/filter.h"
#include "lowshot/context.h"
#include "lowshot/matrix.h"

namespace lowshot::knn {

/// Columns of a tile that stand for points z: score = c.z - |z|^2 / 2, which is greatest for the nearest.
struct CentroidPanels {
  std::uint32_t count = 0, code_bytes = 0;
  Matrix<std::uint8_t> panels;      ///< ceil(count / 16) x (code_bytes * 16)
  std::vector<float> scale, bound;  ///< padded to whole panels
};

/// `lists` centroids under about sqrt(lists) super-centroids; a row is compared with the lists of the super-centroids
/// around its own only. Lists are numbered so that neighbours in space are near in number (recursive bisection of the
/// super-centroids, then of each one's lists).
struct ListCentroids {
  std::uint32_t lists = 0;
  CentroidPanels supers;
  std::vector<CentroidPanels> of_super;   ///< the lists of each super-centroid
  std::vector<std::uint32_t> first_list;  ///< supers + 1: number of each one's first list
};

/// Trains about rows / list_rows lists on at most `points_per_list` rows a list. codes: as rows
/// (FilterBound::estimate), of the backend of `context.isa`. Deterministic, whatever the number of threads. O(n d) and
/// less.
ListCentroids train_lists(Context& context, const FilterRows& codes, Metric metric, std::uint32_t list_rows);

inline constexpr std::uint32_t no_list = 0xffffffffu;

/// The `probes` nearest lists of each of `rows` (of `codes`), the nearest first, ties by number: rows.size() x probes;
/// no_list where there are fewer.
Matrix<std::uint32_t> nearest_lists(Context& context, const FilterRows& codes, std::span<const std::uint32_t> rows,
                                    Metric metric, const ListCentroids& centroids, std::uint32_t probes);

}  // namespace lowshot::knn
