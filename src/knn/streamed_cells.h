#pragma once
// The cells of a k-NN search that does not fit memory: overlapping parts of the space, each of which does.
//
// A row belongs to the cell whose centroid is nearest, and to every other one that is not farther by more than a
// margin: rows in the middle of a cell stand in one, rows at a border in several. The margin is the smallest with which
// the wanted share of a sample's true neighbour pairs meet in some cell.

#include <cstdint>
#include <span>
#include <vector>

#include "lowshot/context.h"
#include "lowshot/matrix.h"

namespace lowshot::knn {

struct Cells {
  Matrix<float> centroids;    ///< cells x dim
  std::vector<float> offset;  ///< score of a row = row . centroid + offset; the greatest is the nearest cell
  float margin = 0;

  static constexpr std::uint32_t most_copies = 8;

  std::uint32_t count() const { return static_cast<std::uint32_t>(offset.size()); }
  /// The score of each cell.
  void score(const float* row, float* scores) const;
  /// The cells of a row, the best first; returns how many of `chosen` (most_copies long) are filled.
  std::uint32_t choose(const float* scores, std::uint32_t* chosen) const;
};

/// Rows and their true neighbours among all rows: pairs of rows of `ends`.
struct TruePairs {
  Matrix<float> ends;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> pairs;
};

struct CellChoice {
  Cells cells;
  double copies = 1;    ///< of a row, on average
  double coverage = 1;  ///< share of the pairs that meet; below the wanted one where that would take too many copies
  double largest = 0;   ///< share of all rows in the largest cell
};

/// As few cells as hold at most `capacity` of `rows` rows each, as far as `sample` says: sample rows of the set. Where
/// rows lie on top of one another no margin and no centroid divides them: then cells are larger, and it is up to the
/// caller to fill them no further. Deterministic.
CellChoice choose_cells(Context& context, MatrixView<const float> sample, const TruePairs& truth, std::uint64_t rows,
                        std::uint64_t capacity, double wanted_coverage);

/// The most cells that choose_cells makes for so many rows.
std::uint64_t most_cells(std::uint64_t rows, std::uint64_t capacity);

}  // namespace lowshot::knn
