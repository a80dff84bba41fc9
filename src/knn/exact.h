#pragma once
// The exact methods behind lowshot/knn.h: all pairs by blocks (join.h).

#include "lowshot/knn.h"

namespace lowshot::knn {

KnnTable extend_exactly(Context& context, const KnnTable& table, const DescriptorView& x_old,
                        const DescriptorView& x_new, const KnnOptions& options);

/// table: what was found before among other rows, a row a query; null: nothing.
KnnTable search_exactly(Context& context, const KnnTable* table, const DescriptorView& queries, const DescriptorView& x,
                        std::uint64_t first_id, const KnnOptions& options);

}  // namespace lowshot::knn
