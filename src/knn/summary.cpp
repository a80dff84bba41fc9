// What a k-NN table looks like: how full, how similar, how often each row is named, how it hangs together.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include "lowshot/knn_check.h"

namespace lowshot {
namespace {

// By position: the value at q (count - 1), rounded down. Infinities of empty places are not counted.
Quantiles quantiles(std::vector<float> values) {
  values.erase(std::remove_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); }), values.end());
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const auto at = [&](double q) {
    return static_cast<double>(values[static_cast<std::size_t>(q * static_cast<double>(values.size() - 1))]);
  };
  return {at(0), at(0.05), at(0.25), at(0.5), at(0.75), at(0.95), at(1), values.size()};
}

bool names(const KnnTable& table, NodeId row, NodeId other) {
  const NodeId* ids = table.ids.row(row);
  return std::find(ids, ids + table.k(), other) != ids + table.k();
}

NodeId root(std::vector<NodeId>& parent, NodeId i) {
  for (; parent[i] != i; i = parent[i]) parent[i] = parent[parent[i]];
  return i;
}

void count_components(const KnnTable& table, KnnSummary& summary) {
  std::vector<NodeId> parent(table.rows());
  std::iota(parent.begin(), parent.end(), NodeId{0});
  for (NodeId i = 0; i < table.rows(); ++i)
    for (std::size_t j = 0; j < table.k(); ++j) {
      if (table.ids(i, j) == no_node) continue;
      const NodeId a = root(parent, i), b = root(parent, table.ids(i, j));
      parent[std::max(a, b)] = std::min(a, b);
    }
  std::vector<NodeId> size(table.rows(), 0);
  for (NodeId i = 0; i < table.rows(); ++i) {
    const NodeId r = root(parent, i);
    if (size[r]++ == 0) ++summary.components;
    summary.largest_component = std::max<std::uint64_t>(summary.largest_component, size[r]);
  }
}

}  // namespace

KnnSummary summarise_knn(Context& context, const KnnTable& table) {
  const std::size_t rows = table.rows(), k = table.k();
  KnnSummary summary;
  summary.rows = rows;
  summary.k = static_cast<std::uint32_t>(k);
  if (rows == 0 || k == 0) return summary;

  std::vector<float> first, other, last;
  std::vector<NodeId> in_degree(rows, 0);
  std::uint64_t filled = 0, neighbours = 0;
  summary.least_filled = summary.k;
  for (std::size_t i = 0; i < rows; ++i) {
    std::uint32_t full = 0;
    bool other_seen = false;
    for (std::size_t j = 0; j < k; ++j) {
      const NodeId id = table.ids(i, j);
      if (id == no_node) continue;
      ++full;
      if (id == i) continue;
      if (!other_seen) other.push_back(table.similarities(i, j)), other_seen = true;
      ++in_degree[id], ++neighbours;
    }
    first.push_back(table.similarities(i, 0));
    last.push_back(table.similarities(i, k - 1));
    filled += full;
    summary.least_filled = std::min(summary.least_filled, full);
  }
  const auto n = static_cast<double>(rows);
  summary.mean_filled = static_cast<double>(filled) / n;
  summary.first = quantiles(std::move(first));
  summary.other = quantiles(std::move(other));
  summary.last = quantiles(std::move(last));
  summary.largest_in_degree = *std::max_element(in_degree.begin(), in_degree.end());
  summary.mean_in_degree = static_cast<double>(neighbours) / n;
  summary.never_named = static_cast<double>(std::count(in_degree.begin(), in_degree.end(), NodeId{0})) / n;

  std::uint64_t mutual = 0;
#pragma omp parallel for num_threads(context.thread_count()) schedule(static) reduction(+ : mutual)
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t j = 0; j < k; ++j) {
      const NodeId id = table.ids(i, j);
      if (id != no_node && id != i && names(table, id, static_cast<NodeId>(i))) ++mutual;
    }
  summary.mutual = neighbours == 0 ? 0 : static_cast<double>(mutual) / static_cast<double>(neighbours);
  count_components(table, summary);
  return summary;
}

}  // namespace lowshot
