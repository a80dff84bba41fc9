#pragma once
// Recipes: the graph's answer and that of a closed-form classifier, added as logarithms.
//
//   fused_c = (1 - a) D_c + a CLF_c + delta(n_c) [c is novel]
//   D_c     = log(v_c / sum of v + 1e-4), v: what diffusion reads out at the row; log(1/C) where no label reached it
//   CLF_c   = log P(c | row) of the classifier
//   delta(n) = max(0, 1.25 - 0.35 ln n), n: the class's own labels. Both answers favour classes of hundreds of labels;
//              it favours those of a few
// `small`: k = 30, L2(x) not centred, in the 128 leading directions of the base rows, 4 iterations; CLF = LDA(L2(x^.7 -
// mean); .5, 2) (lowshot/lda.h); a = 0.5.
// `full`: a graph of z = L2(S(.1)^(-1/4) L2(x)) with self-tuning weights (lowshot/edge_weights.h), k = 30, 4
// iterations; CLF = the three-part classifier (lowshot/three_part.h); a by how in-domain the unlabelled rows are:
//   o = [s/(1-s)] / [u/(1-u)], s: share of unlabelled rows among the neighbours of the labelled novel rows, u: among
//   all nodes; a = 0.65 for o < 0.6, 0.35 to 1.6, 0.2 beyond, 0.5 without unlabelled rows
// and from o = 1.6 on, correct and smooth (Huang et al. 2021): unlabelled rows take what diffusion and classifier make
// of them, P = softmax(.7 log(row of L_3 / its sum + 1e-4) + .3 LDA + 1 [c is novel]), labelled ones their label,
// columns are divided by their sums, and one iteration more is read out.
// All constants were chosen on the validation classes of one set of 100 classes (docs/accuracy.md).

#include <cstdint>
#include <span>
#include <string>

#include "lowshot/context.h"
#include "lowshot/matrix.h"

namespace lowshot {

enum class Recipe {
  paper,      ///< the diffusion of the paper alone
  small,      ///< diffusion and linear discriminant analysis: right more often at every number of labels, as quick
  full,       ///< weighted graph and three classifiers: right more often than `small`, some seconds more
  automatic,  ///< `full` where the base path holds, else `small`
};
/// "paper", "small", "full", "auto".
const char* name(Recipe recipe);
/// The recipe of that name; Error (usage) for another one.
Recipe recipe_of(const std::string& name);

/// How many classes have labels enough to say how classes scatter: 50 or more.
struct BasePath {
  static constexpr std::uint32_t enough_labels = 50, enough_classes = 10;
  std::uint32_t base_classes = 0, classes = 0;
  bool holds() const { return base_classes >= enough_classes; }
};
/// `labels`: those of every class.
BasePath base_path(std::span<const std::uint64_t> labels);

namespace small_recipe {
inline constexpr std::uint32_t k = 30, iterations = 4;
inline constexpr std::uint32_t graph_dim = 128;  // as right as all 512, at a quarter of their products
inline constexpr float exponent = 0.7f;
inline constexpr double shrinkage = 0.5, label_weight = 2;
inline constexpr double classifier_share = 0.5;  // a
}  // namespace small_recipe

namespace full_recipe {
inline constexpr double graph_shrinkage = 0.1, graph_power = 0.25, gain = 2;
inline constexpr double smoothing_share = 0.3, smoothing_offset = 1;  // of correct and smooth's P
}  // namespace full_recipe

/// Whether `full` corrects and smooths.
enum class Smoothing {
  automatic,  ///< where o is 1.6 or more
  on,         ///< always (then a = 0.2), where any row is unlabelled
  off,        ///< never
};
/// "auto", "on", "off"; Error (usage) for another word.
Smoothing smoothing_of(const std::string& name);

/// What the unlabelled rows of a graph are to its novel classes: a, and whether they take part.
struct InDomain {
  double classifier_share = 0.5;  ///< a
  bool smooth = false;
  double odds = 0;  ///< o; 0 without unlabelled rows, infinite where all neighbours are unlabelled
};
/// `near`: of the neighbours (without themselves) of the labelled novel rows, how many are unlabelled; `all`: of all
/// nodes.
struct Share {
  std::uint64_t unlabelled = 0, rows = 0;
};
InDomain in_domain(Share near, Share all, Smoothing smoothing = Smoothing::automatic);

/// delta(n); 0 for n = 0: nothing is known of such a class.
double novel_offset(std::uint64_t labels);

/// scores <- (1 - a) D + a scores + offset, rows x C. `votes`: what diffusion reads out, at least 0; `scores`: the
/// classifier's log-probabilities; `offset`: one a class, or none at all. Each row by itself: independent of threads.
/// Never NaN.
void fuse(Context& context, MatrixView<const float> votes, std::span<const float> offset, double a,
          MatrixView<float> scores);

/// Logarithms to probabilities, row by row, in place.
void softmax_rows(Context& context, MatrixView<float> scores);

}  // namespace lowshot
