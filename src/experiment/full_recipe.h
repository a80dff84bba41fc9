#pragma once
// The recipe `full` in an experiment: diffusion on the weighted graph, the three-part classifier, correct and smooth.

#include <functional>

#include "lowshot/experiment.h"

namespace lowshot {

/// The nodes of one experiment as `run` has joined them.
struct FullRecipeNodes {
  const GraphView& graph;
  const KnnTable& table;                       ///< what the graph was made of
  const KnnTable& queries;                     ///< test rows' neighbours
  std::span<const std::int32_t> labels;        ///< one a node
  std::span<const std::uint32_t> novel_nodes;  ///< the labelled novel rows
  /// What the graph's search saw of node i (normalised, spread): part.rows' for static rows, novel ones behind them.
  std::function<const float*(std::size_t)> row;
};

/// The fused scores of all test rows, tests x C. `sink` gets the read-outs of iterations 0 .. 4 first.
Matrix<float> full_recipe_scores(Context& context, const RecipePart& part, const ClassSet& classes, const Split& split,
                                 const FullRecipeNodes& nodes, const ScoreSink& sink);

}  // namespace lowshot
