#include "diffusion/sparse_scores.h"

#include <algorithm>
#include <cstring>

namespace lowshot::diffusion {
namespace {

constexpr std::size_t chunk_rows = 1024;  // rows that one thread turns into one piece of the result

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
    std::vector<float> sum(classes, 0.0f);
    std::vector<std::uint32_t> touched;
#pragma omp for schedule(dynamic, 1)
    for (std::size_t c = 0; c < chunks; ++c) {
      for (std::size_t r = c * chunk_rows; r < std::min(rows.size(), (c + 1) * chunk_rows); ++r) {
        const std::size_t i = rows[r];
        touched.clear();
        for (const std::uint32_t edge : graph.row(i)) {
          const float weight = static_cast<float>(edge_weight(edge));
          for (const ClassScore& s : u.row(edge_node(edge))) {
            if (sum[s.cls] == 0) touched.push_back(s.cls);
            sum[s.cls] += weight * s.score;
          }
        }
        for (const std::uint32_t cls : touched) {
          const float score = sum[cls] * graph.inverse_degree[i];
          if (score != 0) pieces[c].push_back({cls, score});
          else --next.offsets[i + 1];  // fell below the smallest float
          sum[cls] = 0;
        }
        next.offsets[i + 1] += touched.size();
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
    for (const ClassScore& s : u.row(i))
      if (s.cls - first < width) row[s.cls - first] = s.score;
  }
}

}  // namespace lowshot::diffusion
