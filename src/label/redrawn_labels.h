#pragma once
// How sure to be where labels cannot be held out: the answers play the truth of a world in which one label a class is
// drawn anew, and what graph and classifier make of those alone says how far to trust such answers.
//
//   h_i = the best class of unlabelled row i;   4 times: one row of each class h keeps its label, T' makes the h_i
//   likeliest under the answers from these, t' is the classifier's scale there, a' how often they say h_i
//   T   = t (geometric mean of T'/t') (1 + 0.75 (1 - mean a')),   t: the classifier's scale of the first answers
//
// The last factor stands for what h hides: a row is more often where its class h says than where its true class is, the
// more so the less the redrawn answers agree. On the CIFAR set, of one label a class, the T that makes the truth
// likeliest was .97 to 1.04 times that of the rest of the formula at 10 classes (a' .80 to .96), 1.16 to 1.19 at 30
// (.71 to .82), 1.31 at 100 (.57 to .60), 1.45 of the 64 leading dimensions. T' itself is off by 1.05 to 1.5: t varies
// from draw to draw, and T with it.

#include <cstdint>
#include <span>

#include "label/own_answers.h"

namespace lowshot {

/// T. `scores`: own_sample_scores of the first answers; `scale`: their classifier's t. 1 without unlabelled rows.
/// Deterministic, by options.seed; independent of threads and parts.
double redrawn_temperature(Context& context, const GraphView& graph, const OwnRows& rows,
                           MatrixView<const float> scores, double scale, std::uint32_t iterations,
                           const LabelOptions& options);

}  // namespace lowshot
