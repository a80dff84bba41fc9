#pragma once
// Labels are held out in turn, and what is right of them most often is chosen: the recipe, the number of iterations.

#include <cstdint>
#include <span>
#include <vector>

#include "label/held_out_scores.h"
#include "lowshot/context.h"
#include "lowshot/graph.h"
#include "lowshot/label.h"
#include "lowshot/logreg.h"
#include "lowshot/propagation.h"
#include "lowshot/row_source.h"
#include "lowshot/row_transform.h"

namespace lowshot {

struct ChosenRecipe {
  HeldOutScores held;      ///< of the answer that is chosen
  RowTransform transform;  ///< where the classifier takes part
  SoftmaxModel model;
  std::vector<float> offset;  ///< of a class, for its prior
};

/// `weighted`: the graph with its weights, where it has some; `rows` may be null: then the graph answers alone. Fills
/// all of `summary` but the thresholds.
ChosenRecipe hold_out_and_choose(Context& context, const GraphView& graph, const WeightedGraphView* weighted,
                                 std::span<const std::int32_t> labels, std::uint32_t classes,
                                 const LabelOptions& options, RowSource* rows, HoldOut& summary);

}  // namespace lowshot
