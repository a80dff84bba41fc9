#pragma once
// The approximate methods behind lowshot/knn.h: quantise, train lists, sort by list, choose the effort on a sample,
// join, score what is left in float32, measure recall, go on where it is too low.

#include "lowshot/knn.h"

namespace lowshot::knn {

/// Whether a call that looks at so many pairs of rows goes by lists: as the options say, or because it is quicker.
bool goes_by_lists(const KnnOptions& options, double pairs);

/// extend_knn by lists (build_knn: no old rows).
KnnTable extend_by_join(Context& context, const KnnTable& table, const DescriptorView& x_old,
                        const DescriptorView& x_new, const KnnOptions& options, KnnReport& report);

/// Bytes that extend_by_join holds at its peak for `rows` rows in all, an estimate: how many lists must be visited
/// shows only when it runs.
std::uint64_t join_memory(std::uint64_t rows, std::uint32_t dim, const KnnOptions& options);

/// search_knn by lists.
KnnTable search_by_join(Context& context, const DescriptorView& queries, const DescriptorView& x,
                        const KnnOptions& options, KnnReport& report);

/// The rows of x sorted by list.
std::vector<NodeId> order_by_list(Context& context, const DescriptorView& x);

}  // namespace lowshot::knn
