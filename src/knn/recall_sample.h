#pragma once
// A sample of rows whose true neighbours are known: it tells beforehand how many lists rows must be compared with, and
// afterwards what recall a table reached.

#include <cstdint>
#include <vector>

#include "knn/listed_rows.h"
#include "knn/rescore.h"
#include "lowshot/knn.h"

namespace lowshot::knn {

/// Some rows of a set and the k true neighbours of each.
struct RecallSample {
  std::vector<std::uint32_t> rows;
  KnnTable truth;      ///< rows.size() x k
  bool among_members;  ///< the rows are themselves among those that are searched, and do not count as found
};

/// `rows` of `queries` (`codes`: theirs alone) compared with the members of all lists: 8-bit scores, twice the candidates
/// that the join keeps, float32 at the end. x: what the lists hold.
RecallSample sample_truth(Context& context, const StackedRows& queries, std::vector<std::uint32_t> rows,
                          const FilterRows& codes, const StackedRows& x,
                          const ListedRows& listed, bool among_members, Metric metric, std::uint32_t k);

/// The mean share of their true neighbours that the sample's rows have in `table`, counted as check_knn does: a returned
/// similarity of at least the true last one - 1e-6 will do. 1 where there is nothing to find.
double recall_of(const RecallSample& sample, const KnnTable& table);

/// The fewest lists to visit with which a share of `recall` of the sample's true pairs meets; `ranks`: for each pair,
/// how many of the nearest lists must be visited for it to meet.
std::uint32_t probes_for(double recall, std::vector<std::uint32_t> ranks);

}  // namespace lowshot::knn
