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

/// o, and what follows from it.
InDomain measure_in_domain(const FullRecipeNodes& nodes, Smoothing smoothing);

/// What is read out at the test rows, tests x C, `slice` classes at a time (any number gives the same bits): L_4's, or
/// that of the smoothed rows. `sink` gets the read-outs of iterations 0 .. 4.
Matrix<float> full_recipe_votes(Context& context, const RecipePart& part, const ClassSet& classes,
                                const SoftmaxModel& plain, const FullRecipeNodes& nodes, const InDomain& choice,
                                std::uint32_t slice, const ScoreSink& sink);

/// Bytes that it holds at its peak, result included.
std::uint64_t full_recipe_memory(std::uint64_t nodes, std::uint64_t unlabelled, std::uint64_t test_rows,
                                 std::uint64_t classes, std::uint32_t k, std::uint32_t slice);

}  // namespace lowshot
