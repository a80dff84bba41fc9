#pragma once
// Labels that go along edges with weights (lowshot/propagation.h): what is said of each labelled node when its own
// label is held out, and of all nodes.

#include <cstdint>
#include <span>

#include "label/held_out_scores.h"
#include "lowshot/context.h"
#include "lowshot/edge_weights.h"
#include "lowshot/label.h"
#include "lowshot/propagation.h"

namespace lowshot {

/// How many iterations are tried, from 1 on: options.iterations, if it is given; of the diffusion
/// options.most_iterations, as more mix the classes; of restart and clamping, whose iterations come to a limit, 20. A
/// solution is one.
std::uint32_t iterations_tried(const LabelOptions& options);

/// One repeat, each of its folds propagated from the labels of the others, with the class masses of those.
HeldOutScores hold_out_propagated(Context& context, const WeightedGraphView& graph,
                                  std::span<const std::int32_t> labels, std::uint32_t classes,
                                  const LabelOptions& options);

/// Iteration `iteration` (or the solution) from all labels, rows of all nodes.
PropagationReport propagate_from_all(Context& context, const WeightedGraphView& graph,
                                     std::span<const std::int32_t> labels, std::uint32_t classes,
                                     const LabelOptions& options, std::uint32_t iteration, const ScoreSink& sink);

/// The most bytes that label_nodes holds on such a graph.
std::uint64_t propagated_memory(std::uint64_t nodes, std::uint64_t labelled, std::uint32_t classes,
                                const LabelOptions& options);

}  // namespace lowshot
