// Search of an inverted-file index: the lists whose centroids are nearest (L2), in them the largest inner products.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "lowshot/error.h"
#include "lowshot/io.h"

namespace lowshot {
namespace {

using Found = std::pair<float, std::int64_t>;  // similarity, id

bool better(const Found& a, const Found& b) {
  return a.first != b.first ? a.first > b.first : a.second < b.second;
}

/// Sixteen sums side by side, so that the compiler can use vectors; added in a fixed order.
template <typename Term>
float sum_over(std::size_t dim, Term term) {
  float sums[16] = {};
  std::size_t j = 0;
  for (; j + 16 <= dim; j += 16) {
    for (std::size_t lane = 0; lane < 16; ++lane) sums[lane] += term(j + lane);
  }
  for (; j < dim; ++j) sums[j % 16] += term(j);
  float total = 0;
  for (const float sum : sums) total += sum;
  return total;
}

float inner_product(const float* a, const float* b, std::size_t dim) {
  return sum_over(dim, [&](std::size_t j) { return a[j] * b[j]; });
}

float squared_distance(const float* a, const float* b, std::size_t dim) {
  return sum_over(dim, [&](std::size_t j) { return (a[j] - b[j]) * (a[j] - b[j]); });
}

std::vector<std::size_t> nearest_lists(const IvfIndex& index, const float* query, std::size_t nprobe) {
  const std::size_t lists = index.centroids.rows();
  std::vector<std::pair<float, std::size_t>> distances(lists);
  for (std::size_t i = 0; i < lists; ++i) {
    distances[i] = {squared_distance(query, index.centroids.row(i), index.centroids.cols()), i};
  }
  nprobe = std::min(nprobe, lists);
  std::partial_sort(distances.begin(), distances.begin() + static_cast<std::ptrdiff_t>(nprobe), distances.end());
  std::vector<std::size_t> nearest(nprobe);
  for (std::size_t i = 0; i < nprobe; ++i) nearest[i] = distances[i].second;
  return nearest;
}

}  // namespace

Matrix<std::int64_t> search_index(const IvfIndex& index, MatrixView<const float> queries, std::uint32_t k,
                                  std::uint32_t nprobe, Matrix<float>* similarities) {
  const std::size_t dim = index.centroids.cols();
  if (queries.cols() != dim) {
    throw Error(ErrorKind::input,
                fmt::format("queries of dimension {} cannot search an index of dimension {}", queries.cols(), dim));
  }
  Matrix<std::int64_t> ids(queries.rows(), k);
  if (similarities != nullptr) *similarities = Matrix<float>(queries.rows(), k);
  std::vector<Found> best;  // a heap, the worst of the k best on top
  for (std::size_t q = 0; q < queries.rows(); ++q) {
    best.clear();
    for (const std::size_t list : nearest_lists(index, queries.row(q), nprobe)) {
      for (std::size_t i = 0; i < index.ids[list].size(); ++i) {
        const Found found{inner_product(queries.row(q), index.vectors[list].row(i), dim), index.ids[list][i]};
        if (best.size() == k && (k == 0 || !better(found, best.front()))) continue;
        if (best.size() == k) {
          std::pop_heap(best.begin(), best.end(), better);
          best.pop_back();
        }
        best.push_back(found);
        std::push_heap(best.begin(), best.end(), better);
      }
    }
    std::sort_heap(best.begin(), best.end(), better);
    for (std::size_t j = 0; j < k; ++j) {
      ids(q, j) = j < best.size() ? best[j].second : -1;
      if (similarities != nullptr) {
        (*similarities)(q, j) = j < best.size() ? best[j].first : -std::numeric_limits<float>::infinity();
      }
    }
  }
  return ids;
}

}  // namespace lowshot
