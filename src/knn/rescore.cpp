#include "knn/rescore.h"

#include <algorithm>
#include <limits>

#include "knn/similarity.h"

namespace lowshot::knn {
namespace {

// Appends the candidates that are rows of `part`, whose first row is number `first` of the whole.
void score(const DescriptorView& own, std::size_t i, const DescriptorView& part, NodeId first,
           std::span<const Candidate> candidates, Metric metric, std::vector<Candidate>& scored) {
  constexpr std::size_t most = 128;
  NodeId rows[most] = {};
  float similarity[most];
  std::size_t count = 0;
  const auto flush = [&] {
    similarities(own, i, part, rows, count, metric, similarity);
    for (std::size_t c = 0; c < count; ++c) scored.push_back(make_candidate(similarity[c], first + rows[c]));
    count = 0;
  };
  for (const Candidate c : candidates) {
    const NodeId id = id_of(c);
    if (id < first || id - first >= part.rows()) continue;
    rows[count++] = id - first;
    if (count == most) flush();
  }
  flush();
}

}  // namespace

std::uint32_t kept_candidates(std::uint32_t k) {
  return k + std::max(8u, k / 4);
}

void rescore(const StackedRows& queries, std::size_t query, const StackedRows& x, std::span<const Candidate> candidates,
             Metric metric, std::uint32_t k, std::vector<Candidate>& scratch, NodeId* ids, float* similarities) {
  scratch.clear();
  queries.at(query, [&](const DescriptorView& own, std::size_t i) {
    score(own, i, x.first, 0, candidates, metric, scratch);
    score(own, i, x.second, static_cast<NodeId>(x.first.rows()), candidates, metric, scratch);
  });
  const std::size_t found = std::min<std::size_t>(k, scratch.size());
  sort_candidates(scratch);
  for (std::uint32_t j = 0; j < k; ++j) {
    ids[j] = j < found ? id_of(scratch[j]) : no_node;
    similarities[j] = j < found ? similarity_of(scratch[j]) : -std::numeric_limits<float>::infinity();
  }
}

}  // namespace lowshot::knn
