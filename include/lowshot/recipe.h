#pragma once
// Recipes: the graph's answer and that of a closed-form classifier, added as logarithms.
//
//   fused_c = (1 - a) D_c + a CLF_c + delta(n_c) [c is novel]
//   D_c     = log(v_c / sum of v + 1e-4), v: what diffusion reads out at the row; log(1/C) where no label reached it
//   CLF_c   = log P(c | row) of the classifier
//   delta(n) = max(0, 1.25 - 0.35 ln n), n: the class's own labels. Both answers favour classes of hundreds of labels;
//              it favours those of a few
// The recipe `small`: k = 30, descriptors as they are (not centred), 4 iterations; CLF = LDA(L2(x^.7 - mean); .5, 2)
// (lowshot/lda.h); a = 0.5. Its constants were chosen on the validation classes of one set of 100 classes alone.

#include <cstdint>
#include <span>

#include "lowshot/context.h"
#include "lowshot/lda.h"
#include "lowshot/matrix.h"

namespace lowshot {

enum class Recipe {
  paper,  ///< the diffusion of the paper alone
  small,  ///< diffusion and linear discriminant analysis: right more often at every number of labels, as quick
};

namespace small_recipe {
inline constexpr std::uint32_t k = 30, iterations = 4;
inline constexpr float exponent = 0.7f;
inline constexpr double shrinkage = 0.5, label_weight = 2;
inline constexpr double classifier_share = 0.5;  // a
}  // namespace small_recipe

/// delta(n); 0 for n = 0: nothing is known of such a class.
double novel_offset(std::uint64_t labels);

/// scores <- (1 - a) D + a scores + offset, rows x C. `votes`: what diffusion reads out, at least 0; `scores`: the
/// classifier's log-probabilities; `offset`: one a class. Each row by itself: independent of threads. Never NaN.
void fuse(Context& context, MatrixView<const float> votes, std::span<const float> offset, double a,
          MatrixView<float> scores);

}  // namespace lowshot
