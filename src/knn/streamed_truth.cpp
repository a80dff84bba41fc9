#include "knn/streamed_truth.h"

#include <algorithm>
#include <unordered_map>

#include "knn/recall_rule.h"
#include "knn/sampled_rows.h"

namespace lowshot::knn {
namespace {

// The rows that a table names, as it grows: those of the block just searched come in, those displaced go.
class NamedRows {
 public:
  void update(const KnnTable& table, std::uint64_t begin, MatrixView<const float> block) {
    std::unordered_map<NodeId, std::vector<float>> kept;
    for (std::size_t e = 0; e < table.ids.size(); ++e) {
      const NodeId id = table.ids.data()[e];
      if (id == no_node || kept.count(id) != 0) continue;
      if (id >= begin)
        kept.emplace(id, std::vector<float>(block.row(id - begin), block.row(id - begin) + block.cols()));
      else
        kept.insert(rows_.extract(id));
    }
    rows_ = std::move(kept);
  }
  const std::unordered_map<NodeId, std::vector<float>>& rows() const { return rows_; }

 private:
  std::unordered_map<NodeId, std::vector<float>> rows_;
};

}  // namespace

SampleTruth search_sample(Context& context, RowSource& source, const CellLayout& layout,
                          const StreamedKnnOptions& options) {
  const std::uint64_t n = source.rows(), size = layout.queries;
  const std::uint32_t dim = source.dim();
  SampleTruth truth;
  Matrix<float> queries(size, dim);
  // As for the join's sample: evenly spaced rows could miss what comes with a period.
  const std::vector<std::uint32_t> rows_asked = sampled_rows(n, size);
  for (std::uint64_t s = 0; s < size; ++s) {
    truth.thresholds.rows.push_back(rows_asked[s]);
    read_compared(source, truth.thresholds.rows.back(), queries.view().rows(s, s + 1), options.normalise);
  }
  KnnOptions exact = options.knn;
  exact.method = KnnMethod::exact;
  KnnTable table = KnnTable::sized(0, exact.k);
  NamedRows named;
  Matrix<float> block(layout.truth_block, dim);
  for (std::uint64_t begin = 0; begin < n; begin += layout.truth_block) {
    const MatrixView<float> rows = block.view().rows(0, std::min(n - begin, layout.truth_block));
    read_compared(source, begin, rows, options.normalise);
    table = begin == 0 ? search_knn(context, queries, rows, exact)
                       : extend_search_knn(context, table, queries, rows, begin, exact);
    named.update(table, begin, rows);
    context.report("searching a sample", begin + rows.rows(), n, "rows");
  }

  truth.thresholds.others = std::min<std::uint64_t>(exact.k - 1, n - 1);
  truth.pairs.ends = Matrix<float>(size + named.rows().size(), dim);
  std::copy_n(queries.data(), queries.size(), truth.pairs.ends.data());
  std::unordered_map<NodeId, std::uint32_t> end_of;
  for (std::uint64_t s = 0; s < size; ++s) {
    std::uint64_t found = 0;
    float last = 0;
    for (std::uint32_t j = 0; j < exact.k && found < truth.thresholds.others; ++j) {
      const NodeId id = table.ids(s, j);
      if (id == no_node || id == truth.thresholds.rows[s]) continue;
      ++found;
      last = table.similarities(s, j);
      const auto [at, is_new] = end_of.emplace(id, static_cast<std::uint32_t>(size + end_of.size()));
      if (is_new) std::copy_n(named.rows().at(id).data(), dim, truth.pairs.ends.row(at->second));
      truth.pairs.pairs.emplace_back(static_cast<std::uint32_t>(s), at->second);
    }
    truth.thresholds.thresholds.push_back(last);
  }
  // Rows that are nobody's neighbour but their own leave room at the end.
  for (std::size_t i = size + end_of.size(); i < truth.pairs.ends.rows(); ++i)
    std::fill_n(truth.pairs.ends.row(i), dim, 0.0f);
  return truth;
}

void RecallCount::add(std::uint64_t first_row, const KnnTable& block) {
  for (; next_ < truth_.rows.size() && truth_.rows[next_] < first_row + block.rows(); ++next_) {
    const std::uint64_t row = truth_.rows[next_];
    if (truth_.others != 0)
      sum_ += share_found(block, row - first_row, static_cast<NodeId>(row), truth_.thresholds[next_], truth_.others);
  }
}

double RecallCount::recall() const {
  return next_ == 0 || truth_.others == 0 ? 1 : sum_ / static_cast<double>(next_);
}

}  // namespace lowshot::knn
