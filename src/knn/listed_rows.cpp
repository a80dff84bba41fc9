#include "knn/listed_rows.h"

#include <algorithm>
#include <numeric>

#include "knn/filter_rows.h"

namespace lowshot::knn {
namespace {

constexpr std::uint32_t longest = 4;  // times the usual length

}  // namespace

ListedRows sort_by_list(int threads, FilterRows&& codes, const Matrix<std::uint32_t>& nearest, std::uint32_t lists,
                        std::uint32_t list_rows) {
  const std::size_t rows = nearest.rows();
  std::vector<std::uint32_t> start(lists + 1, 0);
  for (std::size_t i = 0; i < rows; ++i) ++start[nearest(i, 0) + 1];
  std::partial_sum(start.begin(), start.end(), start.begin());

  ListedRows out;
  out.row.resize(rows);
  std::vector<std::uint32_t> next(start.begin(), start.end() - 1);
  for (std::size_t i = 0; i < rows; ++i) out.row[next[nearest(i, 0)]++] = static_cast<NodeId>(i);
  out.first.assign(1, 0);
  for (std::uint32_t l = 0; l < lists; ++l) {
    out.first_piece.push_back(out.lists());
    const std::uint32_t length = start[l + 1] - start[l];
    const std::uint32_t pieces = length > longest * list_rows ? (length + 2 * list_rows - 1) / (2 * list_rows) : 1;
    for (std::uint32_t p = 1; p <= pieces; ++p)
      out.first.push_back(start[l] + static_cast<std::uint32_t>(std::uint64_t{length} * p / pieces));
  }
  out.first_piece.push_back(out.lists());
  out.list_of.resize(rows);
  for (std::uint32_t l = 0; l < out.lists(); ++l)
    std::fill(out.list_of.begin() + out.first[l], out.list_of.begin() + out.first[l + 1], l);

  out.codes = take_rows(threads, codes, out.row);
  codes = {};
  return out;
}

Matrix<std::uint32_t> renumber_lists(int threads, Matrix<std::uint32_t>&& nearest, const ListedRows& listed) {
  if (listed.lists() + 1 == listed.first_piece.size()) return std::move(nearest);  // no list was cut
  const std::size_t probes = nearest.cols();
#pragma omp parallel num_threads(threads)
  {
    std::vector<std::uint32_t> pieces(probes);
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < nearest.rows(); ++i) {
      std::size_t filled = 0;
      for (std::size_t r = 0; r < probes && filled < probes && nearest(i, r) != no_list; ++r)
        for (std::uint32_t p = listed.first_piece[nearest(i, r)]; p < listed.first_piece[nearest(i, r) + 1]; ++p)
          if (filled < probes) pieces[filled++] = p;
      std::fill(pieces.begin() + static_cast<std::ptrdiff_t>(filled), pieces.end(), no_list);
      std::copy(pieces.begin(), pieces.end(), nearest.row(i));
    }
  }
  return std::move(nearest);
}

}  // namespace lowshot::knn
