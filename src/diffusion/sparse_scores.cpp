#include "diffusion/sparse_scores.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace lowshot::diffusion {
namespace {

constexpr std::size_t chunk_rows = 1024;  // rows that one thread turns into one piece of the result

// The sum of one row: a place for every class, and marks of the blocks of 16 places that were written. Asking at every
// addition whether its class is new cost 1.4 to 1.5 times as much in second steps; and so the classes come out in
// order.
class RowSum {
 public:
  explicit RowSum(std::uint32_t classes)
      : sum_((classes + block - 1) / block * block, 0.0f), marks_(sum_.size() / block / 64 + 1, 0), row_(sum_.size()) {}

  void add(std::uint32_t cls, float score) {
    sum_[cls] += score;
    marks_[cls / block / 64] |= std::uint64_t{1} << (cls / block % 64);
  }

  /// Appends the sums times `scale` to `entries` and starts anew. Returns their number; what falls below the smallest
  /// float is none.
  std::size_t take(float scale, std::vector<ClassScore>& entries) {
    std::size_t count = 0;
    for (std::size_t m = 0; m < marks_.size(); ++m)
      for (; marks_[m] != 0; marks_[m] &= marks_[m] - 1) {
        const std::size_t first = (m * 64 + static_cast<std::size_t>(std::countr_zero(marks_[m]))) * block;
        for (std::size_t c = first; c < first + block; ++c) {
          const float score = sum_[c] * scale;
          row_[count] = {static_cast<std::uint32_t>(c), score};
          count += score != 0;
          sum_[c] = 0;
        }
      }
    entries.insert(entries.end(), row_.begin(), row_.begin() + static_cast<std::ptrdiff_t>(count));
    return count;
  }

 private:
  static constexpr std::uint32_t block = 16;
  std::vector<float> sum_;
  std::vector<std::uint64_t> marks_;
  std::vector<ClassScore> row_;
};

}  // namespace

SparseScores one_hot(std::span<const std::int32_t> labels) {
  SparseScores u;
  u.offsets.assign(labels.size() + 1, 0);
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] >= 0) u.entries.push_back({static_cast<std::uint32_t>(labels[i]), 1.0f});
    u.offsets[i + 1] = u.entries.size();
  }
  return u;
}

std::uint64_t step_work(const GraphView& graph, const SparseScores& u) {
  std::uint64_t work = 0;  // B is symmetric: node j is read once for each entry of its own row
  for (std::size_t j = 0; j < graph.nodes(); ++j)
    work += (u.offsets[j + 1] - u.offsets[j]) * (graph.offsets[j + 1] - graph.offsets[j]);
  return work;
}

SparseScores sparse_step(int threads, const GraphView& graph, const SparseScores& u, std::uint32_t classes,
                         std::span<const std::uint32_t> rows) {
  const std::size_t chunks = (rows.size() + chunk_rows - 1) / chunk_rows;
  std::vector<std::vector<ClassScore>> pieces(chunks);
  SparseScores next;
  next.offsets.assign(graph.nodes() + 1, 0);
#pragma omp parallel num_threads(threads)
  {
    RowSum sum(classes);
#pragma omp for schedule(dynamic, 1)
    for (std::size_t c = 0; c < chunks; ++c) {
      for (std::size_t r = c * chunk_rows; r < std::min(rows.size(), (c + 1) * chunk_rows); ++r) {
        const std::size_t i = rows[r];
        for (const std::uint32_t edge : graph.row(i)) {
          const float weight = static_cast<float>(edge_weight(edge));
          for (const ClassScore& s : u.row(edge_node(edge))) sum.add(s.cls, weight * s.score);
        }
        next.offsets[i + 1] = sum.take(graph.inverse_degree[i], pieces[c]);
      }
    }
  }
  for (std::size_t i = 0; i < graph.nodes(); ++i) next.offsets[i + 1] += next.offsets[i];
  next.entries.resize(next.offsets.back());
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
  for (std::size_t c = 0; c < chunks; ++c)
    if (!pieces[c].empty())
      std::memcpy(next.entries.data() + next.offsets[rows[c * chunk_rows]], pieces[c].data(),
                  pieces[c].size() * sizeof(ClassScore));
  return next;
}

void expand(int threads, const SparseScores& u, std::uint32_t first, MatrixView<float> dense) {
  const std::uint32_t width = static_cast<std::uint32_t>(dense.cols());
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t i = 0; i < dense.rows(); ++i) {
    float* row = dense.row(i);
    std::memset(row, 0, width * sizeof(float));
    for (const ClassScore& s : u.row(i, first, width)) row[s.cls - first] = s.score;
  }
}

}  // namespace lowshot::diffusion
