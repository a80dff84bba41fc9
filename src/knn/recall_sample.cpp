#include "knn/recall_sample.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <numeric>
#include <span>

#include "knn/exact.h"
#include "knn/filter_rows.h"
#include "knn/recall_rule.h"
#include "knn/sampled_rows.h"

namespace lowshot::knn {
namespace {

constexpr std::size_t block_rows = 65536;  // rows whose codes are held for the exact search

}  // namespace

RecallSample sample_truth(Context& context, const StackedRows& queries, const FilterRows& codes, const StackedRows& x,
                          bool among_members, std::uint32_t size, const KnnOptions& options) {
  RecallSample sample;
  sample.among_members = among_members;
  sample.rows = sampled_rows(queries.rows(), size);
  sample.codes = take_rows(1, codes, sample.rows);
  const std::size_t rows = sample.rows.size();

  // The sample's descriptors, as the set has them.
  const DescriptorView& like = queries.first.rows() != 0 ? queries.first : queries.second;
  Matrix<float> single(like.is_half() ? 0 : rows, like.cols());
  Matrix<Half> half(like.is_half() ? rows : 0, like.cols());
  std::vector<float> factor;
  for (std::size_t s = 0; s < rows; ++s)
    queries.at(sample.rows[s], [&](const DescriptorView& view, std::size_t i) {
      if (!view.is_half()) return void(std::copy_n(view.single_row(i), view.cols(), single.row(s)));
      std::copy_n(view.half_row(i), view.cols(), half.row(s));
      factor.push_back(view.factor(i));
    });
  const DescriptorView asked = like.is_half() ? DescriptorView(half.view(), factor) : DescriptorView(single);

  KnnOptions exact = options;
  exact.method = KnnMethod::exact;
  Context quiet = context;
  quiet.progress = {};
  std::uint64_t first_id = 0;
  for (const DescriptorView& part : {x.first, x.second})
    for (std::size_t begin = 0; begin < part.rows(); begin += block_rows) {
      const DescriptorView block = part.rows(begin, std::min(part.rows(), begin + block_rows));
      sample.truth = search_exactly(quiet, first_id == 0 ? nullptr : &sample.truth, asked, block, first_id, exact);
      first_id += block.rows();
    }
  return sample;
}

double recall_of(const RecallSample& sample, const KnnTable& found) {
  double sum = 0;
  std::size_t counted = 0;
  const std::size_t most = sample.truth.k() - (sample.among_members ? 1 : 0);
  for (std::size_t s = 0; s < sample.rows.size(); ++s) {
    const auto is_other = [&](NodeId id) { return id != no_node && !(sample.among_members && id == sample.rows[s]); };
    std::size_t others = 0;
    float last = 0;
    for (std::size_t j = 0; j < sample.truth.k() && others < most; ++j)
      if (is_other(sample.truth.ids(s, j))) ++others, last = sample.truth.similarities(s, j);
    if (others == 0) continue;
    sum += share_found(found, s, sample.among_members ? sample.rows[s] : no_node, last, others);
    ++counted;
  }
  return counted == 0 ? 1 : sum / static_cast<double>(counted);
}

std::vector<std::uint32_t> meeting_ranks(Context& context, const RecallSample& sample, const FilterRows& codes,
                                         Metric metric, const ListCentroids& centroids, std::uint32_t most,
                                         NodeId first_new) {
  // Lists of the sample's rows, and of their neighbours: each neighbour once.
  std::vector<std::uint32_t> every(sample.rows.size()), neighbours;
  std::iota(every.begin(), every.end(), 0u);
  const NodeId* ids = sample.truth.ids.data();
  std::copy_if(ids, ids + sample.truth.ids.size(), std::back_inserter(neighbours),
               [](NodeId id) { return id != no_node; });
  std::sort(neighbours.begin(), neighbours.end());
  neighbours.erase(std::unique(neighbours.begin(), neighbours.end()), neighbours.end());
  const Matrix<std::uint32_t> own = nearest_lists(context, sample.codes, every, metric, centroids, most);
  const Matrix<std::uint32_t> theirs =
      nearest_lists(context, codes, neighbours, metric, centroids, sample.among_members ? most : 1);
  const auto rank_of = [](std::span<const std::uint32_t> lists, std::uint32_t list) {
    return static_cast<std::uint32_t>(std::find(lists.begin(), lists.end(), list) - lists.begin()) + 1;
  };
  std::vector<std::uint32_t> ranks;
  for (std::size_t s = 0; s < sample.rows.size(); ++s)
    for (const NodeId id : sample.truth.ids.view().row_span(s)) {
      if (id == no_node || (sample.among_members && id == sample.rows[s])) continue;
      const auto at = std::lower_bound(neighbours.begin(), neighbours.end(), id) - neighbours.begin();
      const auto lists = theirs.view().row_span(static_cast<std::size_t>(at));
      std::uint32_t rank = rank_of(own.view().row_span(s), lists[0]);
      if (sample.among_members) rank = std::min(rank, rank_of(lists, own(s, 0)));
      if (sample.among_members && id < first_new && sample.rows[s] < first_new) rank = 0;
      ranks.push_back(rank);
    }
  return ranks;
}

std::uint32_t probes_for(double recall, std::vector<std::uint32_t> ranks) {
  ranks.erase(std::remove(ranks.begin(), ranks.end(), 0u), ranks.end());
  if (ranks.empty()) return 1;
  const auto place =
      std::min(ranks.size() - 1, static_cast<std::size_t>(std::ceil(recall * static_cast<double>(ranks.size()))));
  std::nth_element(ranks.begin(), ranks.begin() + static_cast<std::ptrdiff_t>(place), ranks.end());
  return ranks[place];
}

double share_within(std::uint32_t probes, const std::vector<std::uint32_t>& ranks) {
  const auto met = std::count_if(ranks.begin(), ranks.end(), [&](std::uint32_t rank) { return rank <= probes; });
  return ranks.empty() ? 1 : static_cast<double>(met) / static_cast<double>(ranks.size());
}

}  // namespace lowshot::knn
