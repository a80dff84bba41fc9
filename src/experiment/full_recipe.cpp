#include "experiment/full_recipe.h"

#include <algorithm>
#include <optional>

#include "experiment/smoothing.h"
#include "lowshot/weighted_diffusion.h"

namespace lowshot {
namespace {

using namespace full_recipe;

constexpr std::uint32_t default_slice = 64;  // as DiffusionOptions::slice
constexpr std::uint32_t iterations = small_recipe::iterations;

/// Classes first .. of the one-hot labels.
Matrix<float> one_hot_slice(std::span<const std::int32_t> labels, std::uint32_t first, std::uint32_t count) {
  std::vector<std::int32_t> own(labels.size(), -1);
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] >= static_cast<std::int64_t>(first) && labels[i] < static_cast<std::int64_t>(first) + count)
      own[i] = labels[i] - static_cast<std::int32_t>(first);
  return one_hot_labels(own, count);
}

void put_columns(MatrixView<const float> slice, std::uint32_t first, Matrix<float>& all) {
  for (std::size_t i = 0; i < slice.rows(); ++i) std::copy_n(slice.row(i), slice.cols(), all.row(i) + first);
}

}  // namespace

InDomain measure_in_domain(const FullRecipeNodes& nodes, Smoothing smoothing) {
  const auto unlabelled = [&](std::size_t i) { return nodes.labels[i] < 0; };
  Share near, all{0, nodes.labels.size()};
  for (std::size_t i = 0; i < nodes.labels.size(); ++i) all.unlabelled += unlabelled(i);
  for (const std::uint32_t i : nodes.novel_nodes)
    for (const NodeId j : nodes.table.ids.view().row_span(i))
      if (j != no_node && j != i) ++near.rows, near.unlabelled += unlabelled(j);
  return in_domain(near, all, smoothing);
}

Matrix<float> full_recipe_votes(Context& context, const RecipePart& part, const ClassSet& classes,
                                const SoftmaxModel& plain, const FullRecipeNodes& nodes, const InDomain& choice,
                                std::uint32_t slice, const ScoreSink& sink) {
  const auto count = static_cast<std::uint32_t>(classes.classes());
  const std::uint32_t width = slice == 0 ? default_slice : slice;
  const EdgeWeights weights = self_tuning_weights(context, nodes.graph, nodes.table, gain);
  const WeightedGraphView graph(nodes.graph, weights);
  const Matrix<float> query_weights =
      self_tuning_weights(context, nodes.queries, squared_scales(context, nodes.table), gain);
  const auto read_out = [&](const Matrix<float>& l) {
    return read_out_weighted(context, l, nodes.queries.ids, query_weights);
  };

  Matrix<float> votes(nodes.queries.rows(), count);
  std::optional<SmoothedRows> smoothed;
  if (choice.smooth) smoothed.emplace(nodes.labels, count);
  for (std::uint32_t first = 0; first < count; first += width) {
    Matrix<float> l = one_hot_slice(nodes.labels, first, std::min(width, count - first));
    for (std::uint32_t t = 0; t <= iterations; ++t) {
      diffuse_weighted(context, graph, l, t == 0 ? 0 : 1);
      const Matrix<float> v = read_out(l);
      sink(t, first, v);
      if (t == iterations) put_columns(v, first, votes);
      if (smoothed && t == 3) smoothed->take(context, first, l);
    }
  }
  if (!smoothed) return votes;
  smoothed->correct(context, part, classes, plain, nodes);
  for (std::uint32_t first = 0; first < count; first += width) {
    Matrix<float> l(nodes.labels.size(), std::min(width, count - first));
    smoothed->give(context, first, l);
    diffuse_weighted(context, graph, l, 0);  // columns divided by their sums
    diffuse_weighted(context, graph, l, 1);
    put_columns(read_out(l), first, votes);
  }
  return votes;
}

std::uint64_t full_recipe_memory(std::uint64_t nodes, std::uint64_t unlabelled, std::uint64_t test_rows,
                                 std::uint64_t classes, std::uint32_t k, std::uint32_t slice) {
  const std::uint64_t width = std::min<std::uint64_t>(slice == 0 ? default_slice : slice, classes);
  const std::uint64_t weights = (2 * nodes + test_rows) * k * sizeof(float);  // at most two entries an edge
  return weights + 2 * (nodes + test_rows) * width * sizeof(float) + nodes * sizeof(std::int32_t) +
         test_rows * classes * sizeof(float) + smoothing_memory(unlabelled, classes);
}

}  // namespace lowshot
