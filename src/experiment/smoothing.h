#pragma once
// Correct and smooth (Huang et al. 2021, as lowshot/recipe.h has it) in the recipe `full`: what diffusion and the plain
// discriminant analysis make of each unlabelled node, and one iteration from that.

#include "experiment/full_recipe.h"

namespace lowshot {

/// Rows of unlabelled nodes x classes: first L_3, slice by slice of classes, then P in its place. Half precision: at 2
/// million nodes and 1,000 classes it is the largest array of an experiment, 4 GB instead of 8.
class SmoothedRows {
 public:
  SmoothedRows(std::span<const std::int32_t> labels, std::uint32_t classes);

  /// Classes first .. of L_3, nodes x slice, columns with sum 1.
  void take(Context& context, std::uint32_t first, MatrixView<const float> l3);
  /// L_3 -> P = softmax(.7 log(row / its sum + 1e-4) + .3 LDA + 1 [c is novel]), in blocks of rows.
  void correct(Context& context, const RecipePart& part, const ClassSet& classes, const SoftmaxModel& plain,
               const FullRecipeNodes& nodes);
  /// Classes first .. of P, 1 at the label of a labelled node: nodes x slice.
  void give(Context& context, std::uint32_t first, MatrixView<float> l) const;

 private:
  std::span<const std::int32_t> labels_;
  std::vector<std::uint32_t> nodes_;  // unlabelled
  Matrix<Half> rows_;
};

/// Bytes of a SmoothedRows.
std::uint64_t smoothing_memory(std::uint64_t unlabelled, std::uint64_t classes);

}  // namespace lowshot
