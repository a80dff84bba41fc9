#include "experiment/smoothing.h"

#include <algorithm>

#include "core/half.h"
#include "diffusion/step.h"
#include "lowshot/pca.h"

namespace lowshot {
namespace {

constexpr std::size_t block_rows = 4096;

// Both L_3 and P are at most 1, and most of L_3 is about 1 over the nodes: times 2^15 nothing overflows, and eleven
// bits are kept down to 2e-9, far below the 1e-4 of a row's share that L_3 is read with.
constexpr float scale = diffusion::stored_one<Half>;

/// row <- values / scale.
void load(const Half* from, std::size_t count, float* row) {
  convert(from, row, count);
  for (std::size_t c = 0; c < count; ++c) row[c] /= scale;
}

/// Overwrites `values`.
void store(float* values, std::size_t count, Half* to) {
  for (std::size_t c = 0; c < count; ++c) values[c] *= scale;
  convert(values, to, count);
}

}  // namespace

SmoothedRows::SmoothedRows(std::span<const std::int32_t> labels, std::uint32_t classes) : labels_(labels) {
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] < 0) nodes_.push_back(static_cast<std::uint32_t>(i));
  rows_ = Matrix<Half>(nodes_.size(), classes);
}

void SmoothedRows::take(Context& context, std::uint32_t first, MatrixView<const float> l3) {
#pragma omp parallel num_threads(context.thread_count())
  {
    std::vector<float> row(l3.cols());
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      std::copy_n(l3.row(nodes_[i]), row.size(), row.data());
      store(row.data(), row.size(), rows_.row(i) + first);
    }
  }
}

void SmoothedRows::correct(Context& context, const RecipePart& part, const ClassSet& classes, const SoftmaxModel& plain,
                           const FullRecipeNodes& nodes) {
  const std::size_t count = classes.classes(), dim = part.back.in(), most = std::min(block_rows, nodes_.size());
  std::vector<float> offset(count);
  for (std::size_t c = 0; c < count; ++c)
    offset[c] = classes.is_novel[c] ? static_cast<float>(full_recipe::smoothing_offset) : 0;
  Matrix<float> spread(most, dim), x(most, dim), votes(most, count), scores(most, count);
  for (std::size_t first = 0; first < nodes_.size(); first += block_rows) {
    const std::size_t n = std::min(block_rows, nodes_.size() - first);
    for (std::size_t i = 0; i < n; ++i) {
      std::copy_n(nodes.row(nodes_[first + i]), dim, spread.row(i));
      load(rows_.row(first + i), count, votes.row(i));
    }
    apply_map(context, part.back, spread.view().rows(0, n), x.view().rows(0, n));  // L2(x) but for its length
    const MatrixView<float> p = scores.view().rows(0, n);
    lda_log_softmax(context, part.three.plain.transform, plain, DescriptorView(x.view().rows(0, n)), p);
    fuse(context, votes.view().rows(0, n), offset, full_recipe::smoothing_share, p);
    softmax_rows(context, p);
    for (std::size_t i = 0; i < n; ++i) store(p.row(i), count, rows_.row(first + i));
  }
}

void SmoothedRows::give(Context& context, std::uint32_t first, MatrixView<float> l) const {
  std::fill_n(l.data(), l.size(), 0.0f);
  for (std::size_t i = 0; i < labels_.size(); ++i)
    if (labels_[i] >= static_cast<std::int64_t>(first) && labels_[i] < static_cast<std::int64_t>(first + l.cols()))
      l(i, static_cast<std::size_t>(labels_[i]) - first) = 1;
#pragma omp parallel for num_threads(context.thread_count()) schedule(static)
  for (std::size_t i = 0; i < nodes_.size(); ++i) load(rows_.row(i) + first, l.cols(), l.row(nodes_[i]));
}

std::uint64_t smoothing_memory(std::uint64_t unlabelled, std::uint64_t classes) {
  return unlabelled * (classes * sizeof(Half) + sizeof(std::uint32_t));
}

}  // namespace lowshot
