#include <fmt/format.h>

#include <algorithm>
#include <cassert>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "core/prefix_sums.h"
#include "lowshot/error.h"
#include "lowshot/sparse_matrix.h"

namespace lowshot {
namespace {

using Entry = std::pair<std::uint32_t, float>;  // column, value

/// make_row(i, row) puts the entries of row i into `row`, which is empty; called twice a row.
template <typename MakeRow>
SparseMatrix row_by_row(int threads, std::uint64_t rows, std::uint64_t cols, const MakeRow& make_row) {
  SparseMatrix result{rows, cols, Array<std::uint64_t>(rows + 1), {}, {}};
  result.offsets[0] = 0;
  const auto each_row = [&](const auto& take) {
#pragma omp parallel num_threads(threads)
    {
      std::vector<Entry> row;
#pragma omp for schedule(dynamic, 256)
      for (std::size_t i = 0; i < rows; ++i) {
        row.clear();
        make_row(i, row);
        take(i, row);
      }
    }
  };
  each_row([&](std::size_t i, const std::vector<Entry>& row) { result.offsets[i + 1] = row.size(); });
  add_up(threads, result.offsets);
  result.columns.resize(result.offsets.back());
  result.values.resize(result.offsets.back());
  each_row([&](std::size_t i, const std::vector<Entry>& row) {
    for (std::size_t e = 0; e < row.size(); ++e)
      std::tie(result.columns[result.offsets[i] + e], result.values[result.offsets[i] + e]) = row[e];
  });
  return result;
}

void sort_by_column(std::vector<Entry>& row) {
  std::stable_sort(row.begin(), row.end(), [](const Entry& a, const Entry& b) { return a.first < b.first; });
}

/// Each row by rising column, each column once, no zeros.
SparseMatrix tidied(int threads, const SparseMatrix& m) {
  return row_by_row(threads, m.rows, m.cols, [&](std::size_t i, std::vector<Entry>& row) {
    for (std::uint64_t e = m.offsets[i]; e < m.offsets[i + 1]; ++e)
      if (m.values[e] > 0) row.emplace_back(m.columns[e], m.values[e]);
    sort_by_column(row);
    std::size_t kept = 0;
    for (std::size_t e = 0; e < row.size(); ++e) {
      if (kept != 0 && row[kept - 1].first == row[e].first)
        row[kept - 1].second += row[e].second;
      else
        row[kept++] = row[e];
    }
    row.resize(kept);
  });
}

/// Rows of the result are by rising column, too. One thread: the order in which entries come is the order in a row.
SparseMatrix transposed(int threads, const SparseMatrix& m) {
  SparseMatrix t{m.cols, m.rows, Array<std::uint64_t>(m.cols + 1), Array<std::uint32_t>(m.columns.size()),
                 Array<float>(m.values.size())};
  std::fill(t.offsets.begin(), t.offsets.end(), 0);
  for (const std::uint32_t j : m.columns) ++t.offsets[j + 1];
  add_up(threads, t.offsets);
  std::vector<std::uint64_t> next(t.offsets.begin(), t.offsets.end() - 1);
  for (std::size_t i = 0; i < m.rows; ++i)
    for (std::uint64_t e = m.offsets[i]; e < m.offsets[i + 1]; ++e) {
      const std::uint64_t to = next[m.columns[e]]++;
      t.columns[to] = static_cast<std::uint32_t>(i);
      t.values[to] = m.values[e];
    }
  return t;
}

bool equal(const SparseMatrix& a, const SparseMatrix& b) {
  return a.offsets == b.offsets && a.columns == b.columns && a.values == b.values;
}

/// Row after row the entries of both; what `tidied` makes one of.
SparseMatrix side_by_side(int threads, const SparseMatrix& a, const SparseMatrix& b) {
  SparseMatrix both{a.rows, a.cols, Array<std::uint64_t>(a.rows + 1), Array<std::uint32_t>(2 * a.columns.size()),
                    Array<float>(2 * a.values.size())};
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t i = 0; i <= a.rows; ++i) both.offsets[i] = a.offsets[i] + b.offsets[i];
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t i = 0; i < a.rows; ++i) {
    std::uint64_t to = both.offsets[i];
    for (const SparseMatrix* m : {&a, &b})
      for (std::uint64_t e = m->offsets[i]; e < m->offsets[i + 1]; ++e, ++to) {
        both.columns[to] = m->columns[e];
        both.values[to] = m->values[e];
      }
  }
  return both;
}

}  // namespace

SparseMatrix submatrix(Context& context, const SparseMatrix& m, std::span<const std::uint64_t> rows,
                       std::span<const NodeId> new_column, std::uint64_t cols) {
  assert(new_column.size() == m.cols);
  return row_by_row(context.thread_count(), rows.size(), cols, [&](std::size_t i, std::vector<Entry>& row) {
    for (std::uint64_t e = m.offsets[rows[i]]; e < m.offsets[rows[i] + 1]; ++e)
      if (new_column[m.columns[e]] != no_node) row.emplace_back(new_column[m.columns[e]], m.values[e]);
    sort_by_column(row);
  });
}

SparseMatrix sparse_rows(Context& context, const KnnTable& table, MatrixView<const float> weights, std::uint64_t cols) {
  return row_by_row(context.thread_count(), table.rows(), cols, [&](std::size_t i, std::vector<Entry>& row) {
    for (std::size_t e = 0; e < table.k(); ++e)
      if (table.ids(i, e) != no_node) row.emplace_back(table.ids(i, e), weights(i, e));
  });
}

std::uint64_t sparse_matrix_memory(const SparseSize& size) {
  return (size.rows + 1) * sizeof(std::uint64_t) + size.entries * (sizeof(std::uint32_t) + sizeof(float));
}

std::uint64_t read_sparse_npz_memory(const SparseSize& size) {
  return sparse_matrix_memory(size) + std::max(size.entries, size.rows + 1) * sizeof(double);
}

// Where M is not symmetric: M, M^T, both side by side and B, of up to twice as many entries.
std::uint64_t weighted_graph_memory(std::uint64_t rows, std::uint64_t entries) {
  return 2 * sparse_matrix_memory({rows, rows, entries}) + 2 * sparse_matrix_memory({rows, rows, 2 * entries}) +
         rows * 2 * sizeof(float);
}

WeightedGraph weighted_graph(Context& context, const SparseMatrix& m, const std::string& name) {
  if (m.rows != m.cols || m.rows > max_nodes)
    throw Error(ErrorKind::input,
                fmt::format("expected a square matrix of fewer than 2^31 rows and found {} x {}", m.rows, m.cols), name,
                "a graph has a row and a column a node");
  const int threads = context.thread_count();
  WeightedGraph result;
  SparseMatrix b = tidied(threads, m);
  {
    const SparseMatrix t = transposed(threads, b);
    result.symmetrised = !equal(b, t);
    if (result.symmetrised) b = tidied(threads, side_by_side(threads, b, t));
  }
  result.graph.offsets = std::move(b.offsets);
  result.graph.neighbours = std::move(b.columns);
  result.weights.weights = std::move(b.values);
  result.graph.inverse_degree.resize(m.rows);
  result.weights.inverse_degree.resize(m.rows);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t i = 0; i < m.rows; ++i) {
    const std::uint64_t begin = result.graph.offsets[i], end = result.graph.offsets[i + 1];
    double degree = 0;
    for (std::uint64_t e = begin; e < end; ++e) degree += result.weights.weights[e];
    result.graph.inverse_degree[i] = end > begin ? 1 / static_cast<float>(end - begin) : 0;
    result.weights.inverse_degree[i] = inverse_degree(degree);
  }
  return result;
}

}  // namespace lowshot
