#include "knn/rescore.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "knn/similarity.h"

namespace lowshot::knn {
namespace {

// Fetches the first lines of a row; the processor's own prefetcher follows.
void fetch(const DescriptorView& x, std::size_t i) {
  const char* row =
      x.is_half() ? reinterpret_cast<const char*>(x.half_row(i)) : reinterpret_cast<const char*>(x.single_row(i));
  const std::size_t bytes = x.cols() * (x.is_half() ? sizeof(Half) : sizeof(float));
  for (std::size_t b = 0; b < bytes; b += 64) __builtin_prefetch(row + b);
}

}  // namespace

std::uint32_t kept_candidates(std::uint32_t k) {
  return k + std::max(8u, k / 4);
}

void rescore(const StackedRows& queries, std::size_t query, const StackedRows& x, std::span<const Candidate> candidates,
             Metric metric, std::uint32_t k, std::vector<Candidate>& scratch, NodeId* ids, float* similarities) {
  constexpr std::size_t ahead = 4;
  scratch.resize(candidates.size());
  queries.at(query, [&](const DescriptorView& own, std::size_t i) {
    for (std::size_t c = 0; c < candidates.size(); ++c) {
      if (c + ahead < candidates.size()) x.at(id_of(candidates[c + ahead]), fetch);
      x.at(id_of(candidates[c]), [&](const DescriptorView& view, std::size_t row) {
        scratch[c] = make_candidate(similarity(own, i, view, row, metric), id_of(candidates[c]));
      });
    }
  });
  const std::size_t found = std::min<std::size_t>(k, scratch.size());
  std::partial_sort(scratch.begin(), scratch.begin() + static_cast<std::ptrdiff_t>(found), scratch.end(),
                    std::greater<>());
  for (std::uint32_t j = 0; j < k; ++j) {
    ids[j] = j < found ? id_of(scratch[j]) : no_node;
    similarities[j] = j < found ? similarity_of(scratch[j]) : -std::numeric_limits<float>::infinity();
  }
}

}  // namespace lowshot::knn
