#pragma once
// A sample of rows and their true neighbours among all rows of a file, in one pass over it.

#include <cstdint>
#include <vector>

#include "knn/streamed_cells.h"
#include "knn/streamed_plan.h"

namespace lowshot::knn {

/// What recall is measured with: the sample's rows, rising, and the similarity that a neighbour must reach, as
/// check_knn counts it.
struct TrueThresholds {
  std::vector<std::uint64_t> rows;
  std::vector<float> thresholds;
  std::uint64_t others = 0;  ///< neighbours there are to find, the row itself not counted
};

struct SampleTruth {
  TrueThresholds thresholds;
  TruePairs pairs;
};

SampleTruth search_sample(Context& context, RowSource& source, const CellLayout& layout,
                          const StreamedKnnOptions& options);

/// Adds up the share of their neighbours that the sample's rows have in a table, given in order, block by block.
class RecallCount {
 public:
  explicit RecallCount(const TrueThresholds& truth) : truth_(truth) {}
  /// Rows first_row .. of the table.
  void add(std::uint64_t first_row, const KnnTable& block);
  double recall() const;  ///< of the rows added; 1 where there is nothing to find

 private:
  const TrueThresholds& truth_;
  std::size_t next_ = 0;
  double sum_ = 0;
};

}  // namespace lowshot::knn
