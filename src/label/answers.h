#pragma once
// Labels and confidences of all nodes, from all labels.

#include <cstdint>
#include <functional>
#include <span>

#include "label/choice.h"
#include "lowshot/context.h"
#include "lowshot/diffusion.h"
#include "lowshot/graph.h"
#include "lowshot/label.h"
#include "lowshot/row_source.h"

namespace lowshot {

/// Hands over the scores of every node, from all labels.
using AllScores = std::function<void(const ScoreSink& sink)>;
/// Of the diffusion.
AllScores diffused_scores(Context& context, const GraphView& graph, std::span<const std::int32_t> labels,
                          std::uint32_t classes, const LabelOptions& options, std::uint32_t iterations);

// Both fill classes, confidences and status; result.typicality receives the mass of labels that reached each node.

/// By the graph alone.
void answer_by_graph(Context& context, const AllScores& all_scores, const LabelOptions& options, LabelResult& result,
                     const ShareSink& share_sink);
/// By graph and classifier.
void answer_by_both(Context& context, const GraphView& graph, std::span<const std::int32_t> labels,
                    const LabelOptions& options, const HoldOut& summary, const ChosenRecipe& choice, RowSource& rows,
                    LabelResult& result, const ShareSink& share_sink);

void set_answer(LabelResult& result, std::size_t node, std::size_t place, std::int32_t c, float confidence);

}  // namespace lowshot
