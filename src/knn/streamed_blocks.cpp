// The exact table by blocks: each block of rows takes its neighbours from all rows as they pass by.
#include <algorithm>

#include "knn/streamed_plan.h"

namespace lowshot::knn {

StreamedKnnReport build_by_blocks(Context& context, RowSource& source, const KnnFiles& files,
                                  const StreamedKnnOptions& options) {
  const std::uint64_t n = source.rows();
  const BlockLayout layout = block_layout(n, source.dim(), options);
  StreamedKnnReport report;
  PlacedWriter writer(files, n, options);
  Matrix<float> passing(layout.inner, source.dim());
  for (std::uint64_t begin = 0; begin < n; begin += layout.outer, ++report.parts) {
    const std::uint64_t end = std::min(n, begin + layout.outer);
    Matrix<float> rows(end - begin, source.dim());
    read_compared(source, begin, rows, options.normalise);
    // Its own pairs serve both their rows.
    KnnTable table = build_knn(context, rows, options.knn);
    for (std::size_t e = 0; e < table.ids.size(); ++e)
      if (table.ids.data()[e] != no_node) table.ids.data()[e] += static_cast<NodeId>(begin);
    for (std::uint64_t other = 0; other < n;) {
      if (other == begin) other = end;  // itself
      const std::uint64_t last = std::min({n, other + layout.inner, other < begin ? begin : n});
      if (other >= last) break;
      const MatrixView<float> block = passing.view().rows(0, last - other);
      read_compared(source, other, block, options.normalise);
      table = extend_search_knn(context, table, rows, block, other, options.knn);
      other = last;
      context.report("k-NN graph by blocks", begin + (end - begin) * other / n, n, "rows");
    }
    writer.append(table);
  }
  writer.commit();
  return report;
}

}  // namespace lowshot::knn
