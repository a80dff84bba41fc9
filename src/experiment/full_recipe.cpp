#include "experiment/full_recipe.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "experiment/recipe_part.h"
#include "lowshot/pca.h"
#include "lowshot/weighted_diffusion.h"

namespace lowshot {
namespace {

using namespace full_recipe;

constexpr std::size_t block_rows = 4096;

InDomain measure(const FullRecipeNodes& nodes) {
  const auto unlabelled = [&](std::size_t i) { return nodes.labels[i] < 0; };
  Share near, all{0, nodes.labels.size()};
  for (std::size_t i = 0; i < nodes.labels.size(); ++i) all.unlabelled += unlabelled(i);
  for (const std::uint32_t i : nodes.novel_nodes)
    for (const NodeId j : nodes.table.ids.view().row_span(i))
      if (j != no_node && j != i) ++near.rows, near.unlabelled += unlabelled(j);
  return in_domain(near, all);
}

/// P: what diffusion (L_3) and the plain discriminant analysis make of each unlabelled node; labels of the others.
Matrix<float> corrected(Context& context, const RecipePart& part, const ClassSet& classes, const SoftmaxModel& plain,
                        const FullRecipeNodes& nodes, const Matrix<float>& l3) {
  const std::size_t count = classes.classes(), dim = part.gather.in();
  Matrix<float> p = one_hot_labels(nodes.labels, static_cast<std::uint32_t>(count));
  std::vector<float> offset(count);
  for (std::size_t c = 0; c < count; ++c) offset[c] = classes.is_novel[c] ? static_cast<float>(smoothing_offset) : 0;
  std::vector<std::size_t> chosen;
  Matrix<float> spread(block_rows, dim), x(block_rows, dim), votes(block_rows, count), scores(block_rows, count);
  const auto flush = [&] {
    const std::size_t n = chosen.size();
    for (std::size_t i = 0; i < n; ++i) {
      std::copy_n(nodes.row(chosen[i]), dim, spread.row(i));
      std::copy_n(l3.row(chosen[i]), count, votes.row(i));
    }
    apply_map(context, part.gather, spread.view().rows(0, n), x.view().rows(0, n));  // L2(x) but for its length
    const MatrixView<float> out = scores.view().rows(0, n);
    lda_log_softmax(context, part.three.plain.transform, plain, DescriptorView(x.view().rows(0, n)), out);
    fuse(context, votes.view().rows(0, n), offset, smoothing_share, out);
    softmax_rows(context, out);
    for (std::size_t i = 0; i < n; ++i) std::copy_n(out.row(i), count, p.row(chosen[i]));
    chosen.clear();
  };
  for (std::size_t i = 0; i < nodes.labels.size(); ++i) {
    if (nodes.labels[i] >= 0) continue;
    chosen.push_back(i);
    if (chosen.size() == block_rows) flush();
  }
  if (!chosen.empty()) flush();
  return p;
}

}  // namespace

Matrix<float> full_recipe_scores(Context& context, const RecipePart& part, const ClassSet& classes, const Split& split,
                                 const FullRecipeNodes& nodes, const ScoreSink& sink) {
  const auto count = static_cast<std::uint32_t>(classes.classes());
  const Matrix<float> labelled = labelled_novel_rows(part, split);
  const ThreePartModel model =
      three_part_model(context, part.three, DescriptorView(labelled), split.novel_labelled_classes);
  Phase phase(context, "diffusion");
  const EdgeWeights weights = self_tuning_weights(context, nodes.graph, nodes.table, gain);
  const WeightedGraphView graph(nodes.graph, weights);
  const Array<float> scales = squared_scales(context, nodes.table);
  const Matrix<float> query_weights = self_tuning_weights(context, nodes.queries, scales, gain);
  const InDomain choice = measure(nodes);
  context.detail(fmt::format("recipe full: the classifier's share is {}{}", choice.classifier_share,
                             choice.smooth ? ", unlabelled rows are smoothed" : ""));

  Matrix<float> l = one_hot_labels(nodes.labels, count), l3, votes;
  for (std::uint32_t t = 0; t <= small_recipe::iterations; ++t) {
    diffuse_weighted(context, graph, l, t == 0 ? 0 : 1);
    votes = read_out_weighted(context, l, nodes.queries.ids, query_weights);
    sink(t, 0, votes);
    if (choice.smooth && t == 3) {
      l3 = Matrix<float>(l.rows(), l.cols());
      std::copy_n(l.data(), l.size(), l3.data());
    }
  }
  if (choice.smooth) {
    l = corrected(context, part, classes, model.plain, nodes, l3);
    diffuse_weighted(context, graph, l, 0);  // columns divided by their sums
    diffuse_weighted(context, graph, l, 1);
    votes = read_out_weighted(context, l, nodes.queries.ids, query_weights);
  }
  Matrix<float> scores(votes.rows(), votes.cols());
  three_part_scores(context, part.three, model, part.test.view(), scores);
  fuse(context, votes, offsets_of_classes(classes, split), choice.classifier_share, scores);
  return scores;
}

}  // namespace lowshot
