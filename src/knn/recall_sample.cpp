#include "knn/recall_sample.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "knn/list_join.h"

namespace lowshot::knn {
namespace {

constexpr float tie = 1e-6f;  // as in check_knn

}  // namespace

RecallSample sample_truth(Context& context, const StackedRows& queries, std::vector<std::uint32_t> rows,
                          const FilterRows& codes, const StackedRows& x,
                          const ListedRows& listed, bool among_members, Metric metric, std::uint32_t k) {
  const std::size_t size = rows.size();
  Visits everywhere;
  everywhere.visitors.resize(listed.lists() * size);
  for (std::uint32_t l = 0; l <= listed.lists(); ++l) everywhere.first.push_back(l * size);
  for (std::size_t v = 0; v < everywhere.visitors.size(); ++v)
    everywhere.visitors[v] = static_cast<std::uint32_t>(v % size);
  Reservoirs lists(size, 2 * kept_candidates(k));
  join_visitors(context, listed, codes, everywhere, lists);

  RecallSample sample{std::move(rows), {Matrix<NodeId>(size, k), Matrix<float>(size, k)}, among_members};
  std::vector<Candidate> scratch;
  for (std::size_t s = 0; s < size; ++s)
    rescore(queries, sample.rows[s], x, lists.candidates(s), metric, k, scratch, sample.truth.ids.row(s),
            sample.truth.similarities.row(s));
  return sample;
}

double recall_of(const RecallSample& sample, const KnnTable& table) {
  double sum = 0;
  std::size_t counted = 0;
  const std::size_t most = sample.truth.k() - (sample.among_members ? 1 : 0);
  for (std::size_t s = 0; s < sample.rows.size(); ++s) {
    const auto is_other = [&](NodeId id) { return id != no_node && !(sample.among_members && id == sample.rows[s]); };
    std::size_t others = 0, found = 0;
    float last = 0;
    for (std::size_t j = 0; j < sample.truth.k() && others < most; ++j)
      if (is_other(sample.truth.ids(s, j))) ++others, last = sample.truth.similarities(s, j);
    if (others == 0) continue;
    const std::size_t row = sample.rows[s];
    for (std::size_t j = 0; j < sample.truth.k(); ++j)
      if (is_other(table.ids(row, j)) && table.similarities(row, j) >= last - tie) ++found;
    sum += static_cast<double>(std::min(found, others)) / static_cast<double>(others);
    ++counted;
  }
  return counted == 0 ? 1 : sum / static_cast<double>(counted);
}

std::uint32_t probes_for(double recall, std::vector<std::uint32_t> ranks) {
  if (ranks.empty()) return 1;
  const auto place = std::min(ranks.size() - 1, static_cast<std::size_t>(std::ceil(recall * static_cast<double>(ranks.size()))));
  std::nth_element(ranks.begin(), ranks.begin() + static_cast<std::ptrdiff_t>(place), ranks.end());
  return ranks[place];
}

}  // namespace lowshot::knn
