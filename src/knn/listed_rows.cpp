#include "knn/listed_rows.h"

#include <algorithm>
#include <numeric>

#include "knn/filter_rows.h"

namespace lowshot::knn {
namespace {

constexpr std::uint32_t longest = 4;  // times the usual length

std::vector<std::uint32_t> all_of(std::size_t count) {
  std::vector<std::uint32_t> rows(count);
  std::iota(rows.begin(), rows.end(), 0u);
  return rows;
}

}  // namespace

ListedRows sort_by_list(Context& context, FilterRows&& codes, Metric metric, const ListCentroids& centroids,
                        std::uint32_t list_rows) {
  const std::vector<std::uint32_t> rows = all_of(codes.count);
  const Matrix<std::uint32_t> home = nearest_lists(context, codes, rows, metric, centroids, 1);
  std::vector<std::uint32_t> start(centroids.lists + 1, 0);
  for (std::size_t i = 0; i < rows.size(); ++i) ++start[home(i, 0) + 1];
  std::partial_sum(start.begin(), start.end(), start.begin());

  ListedRows out;
  out.row.resize(rows.size());
  std::vector<std::uint32_t> next(start.begin(), start.end() - 1);
  for (std::size_t i = 0; i < rows.size(); ++i) out.row[next[home(i, 0)]++] = static_cast<NodeId>(i);
  out.first.assign(1, 0);
  for (std::uint32_t l = 0; l < centroids.lists; ++l) {
    out.first_piece.push_back(out.lists());
    const std::uint32_t length = start[l + 1] - start[l];
    const std::uint32_t pieces = length > longest * list_rows ? (length + 2 * list_rows - 1) / (2 * list_rows) : 1;
    for (std::uint32_t p = 1; p <= pieces; ++p)
      out.first.push_back(start[l] + static_cast<std::uint32_t>(std::uint64_t{length} * p / pieces));
  }
  out.first_piece.push_back(out.lists());
  out.list_of.resize(rows.size());
  for (std::uint32_t l = 0; l < out.lists(); ++l)
    std::fill(out.list_of.begin() + out.first[l], out.list_of.begin() + out.first[l + 1], l);

  out.codes = take_rows(context.thread_count(), codes, out.row);
  codes = {};
  return out;
}

Matrix<std::uint32_t> nearest_listed(Context& context, const FilterRows& codes, std::span<const std::uint32_t> rows,
                                     Metric metric, const ListCentroids& centroids, const ListedRows& listed,
                                     std::uint32_t probes) {
  Matrix<std::uint32_t> found = nearest_lists(context, codes, rows, metric, centroids, probes);
  if (listed.lists() == centroids.lists) return found;  // no list was cut
#pragma omp parallel num_threads(context.thread_count())
  {
    std::vector<std::uint32_t> pieces(probes);
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < found.rows(); ++i) {
      std::uint32_t filled = 0;
      for (std::uint32_t r = 0; r < probes && filled < probes && found(i, r) != no_list; ++r)
        for (std::uint32_t p = listed.first_piece[found(i, r)]; p < listed.first_piece[found(i, r) + 1]; ++p)
          if (filled < probes) pieces[filled++] = p;
      std::fill(pieces.begin() + filled, pieces.end(), no_list);
      std::copy(pieces.begin(), pieces.end(), found.row(i));
    }
  }
  return found;
}

}  // namespace lowshot::knn
