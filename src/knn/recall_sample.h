#pragma once
// A sample of rows whose true neighbours are known: it tells beforehand how many lists rows must be compared with, and
// afterwards what recall a table reached.

#include <cstdint>
#include <vector>

#include "knn/centroids.h"
#include "knn/rescore.h"
#include "lowshot/knn.h"

namespace lowshot::knn {

/// Some rows of a set and the k true neighbours of each.
struct RecallSample {
  std::vector<std::uint32_t> rows;
  FilterRows codes;    ///< theirs
  KnnTable truth;      ///< rows.size() x k
  bool among_members;  ///< the rows are themselves among those that are searched, and do not count as found
};

/// At most `size` rows of `queries` (`codes`: of all of them) and their exact neighbours among x. 8 bits would not do:
/// of near copies they would take the same wrong ones as the join.
RecallSample sample_truth(Context& context, const StackedRows& queries, const FilterRows& codes, const StackedRows& x,
                          bool among_members, std::uint32_t size, const KnnOptions& options);

/// The mean share of their true neighbours that the sample's rows have in `found` (a row each, k columns), counted as
/// check_knn does: a returned similarity of at least the true last one - 1e-6 will do. 1 where there is nothing to
/// find.
double recall_of(const RecallSample& sample, const KnnTable& found);

/// How many of its nearest lists must be visited until each of the sample's rows meets each of its true neighbours.
/// Rows among the members meet in either's list. `most`: lists looked at; most + 1 for pairs that need more;
/// 0 for pairs of members below first_new, which have met before.
std::vector<std::uint32_t> meeting_ranks(Context& context, const RecallSample& sample, const FilterRows& codes,
                                         Metric metric, const ListCentroids& centroids, std::uint32_t most,
                                         NodeId first_new);

/// The fewest visits with which a share of `recall` of the pairs that have not met before meets, and the share that
/// meets with `probes` visits.
std::uint32_t probes_for(double recall, std::vector<std::uint32_t> ranks);
double share_within(std::uint32_t probes, const std::vector<std::uint32_t>& ranks);

}  // namespace lowshot::knn
