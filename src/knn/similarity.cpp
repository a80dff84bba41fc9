#include "knn/similarity.h"

#include <algorithm>

namespace lowshot::knn {

void similarities(const DescriptorView& x, std::size_t i, const DescriptorView& y, const NodeId* ids, std::size_t count,
                  Metric metric, float* out) {
  const std::size_t ahead = rows_to_fetch_ahead(y);
  for (std::size_t c = 0; c < std::min(ahead, count); ++c) fetch_row(y, ids[c]);
  for (std::size_t c = 0; c < count; ++c) {
    if (c + ahead < count) fetch_row(y, ids[c + ahead]);
    out[c] = similarity(x, i, y, ids[c], metric);
  }
}

}  // namespace lowshot::knn
