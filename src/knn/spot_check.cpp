#include "knn/spot_check.h"

#include <algorithm>
#include <cmath>

#include "knn/similarity.h"

namespace lowshot {

SpotCheck compare_similarities(Context& context, const KnnTable& table, const DescriptorView& x, Metric metric,
                               std::uint64_t sample) {
  const std::uint64_t rows = std::min<std::uint64_t>(sample, table.rows());
  std::uint64_t compared = 0, different = 0;
#pragma omp parallel for num_threads(context.thread_count()) schedule(static) reduction(+ : compared, different)
  for (std::uint64_t s = 0; s < rows; ++s) {
    const std::uint64_t row = s * table.rows() / rows;
    const float square = knn::similarity(x, row, x, row, Metric::inner_product);
    for (std::size_t j = 0; j < table.k() && table.ids(row, j) != no_node; ++j) {
      const float stated = table.similarities(row, j), own = knn::similarity(x, row, x, table.ids(row, j), metric);
      const float allowed = 1e-3f * std::max(std::fabs(stated), std::fabs(own)) + 1e-5f * square;
      ++compared;
      if (!(std::fabs(stated - own) <= allowed)) ++different;  // NaN is another, too
    }
  }
  return {compared, different};
}

}  // namespace lowshot
