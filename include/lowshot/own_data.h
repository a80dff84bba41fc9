#pragma once
// The recipe for a user's own data: no class has labels enough to speak for the others, but there are unlabelled rows.
// The diffusion labels them, all rows together say where the classes lie and how rows scatter about them, and what
// this discriminant analysis says is added to what the graph says (lowshot/recipe.h, `fuse`), at every row.
//
//   z   = L2(x^.7 - mean), as in lowshot/row_transform.h; mean: that of the rows given here
//   h_i = class of row i: its label, else the best class of the graph's read-out there (none where no label reached it)
//   m_c = (sum of labelled z + w_c sum of other z of class c) / (n_c + w_c p_c), w_c = min(1, s / p_c):
//         the p_c rows that the graph gave the class count as much as s labels together
//   S   = (1 - lam) S_w + lam tr(S_w)/D I, S_w = the covariance of all rows about the m of their class
//   CLF = log softmax of t (m_c - mu)' S^-1 (z - (m_c + mu)/2), mu: the mean of the m_c; t, from 1e-3 to 2: makes the
//         h_i most likely
// and a second time with h_i from fuse(graph, CLF). (One step of classification EM for a mixture with one covariance:
// Celeux and Govaert 1992; labels and mixture together: Nigam et al. 2000.)
//
// One label a class is enough. Classes of many labels are not treated apart, so no number of labels is a border: with
// 60 classes of 60 to 100 labels beside 40 of 1, 5 and 20, this is right more often than the discriminant analysis of
// the large classes (`small`) by 5, 2 and 0 points of top-1 (the full CIFAR set, 15,000 unlabelled rows).

#include <cstdint>
#include <span>

#include "lowshot/context.h"
#include "lowshot/logreg.h"
#include "lowshot/matrix.h"

namespace lowshot {

namespace own_data {
inline constexpr float exponent = 0.7f;
// Top-1 on the CIFAR set at 1, 5, 20 and 1 to 50 labels a class, by 200 draws of none of the seeds in the tables:
// flat (within 0.3) for lam from .4 to .8; s = 60 loses 0.5 at 20 labels, 15 loses 0.2 at one; three rounds gain 0.3
// at one label and lose 0.3 at 20; a from .5 to .85 are within 0.3 from three iterations on.
inline constexpr double shrinkage = 0.6;         // lam
inline constexpr double labels_of_others = 20;   // s
inline constexpr double classifier_share = 0.6;  // a
inline constexpr int rounds = 2;
}  // namespace own_data

/// z' z of all rows, D x D, full; shared by all fits on the same rows. Sums of blocks float64.
Matrix<double> own_data_products(Context& context, MatrixView<const float> z);

struct OwnDataModel {
  SoftmaxModel classifier;
  double scale = 1;  ///< t, which the weights hold
};

/// The classifier of rows z. `z`: transformed rows, labelled and not; `labels`: class or -1 a row; `votes`: what
/// diffusion from exactly these labels reads out at the rows, rows x C, at least 0; rows of labelled ones are not read.
/// Held out, a row has the label -1 and counts as any other. Deterministic, independent of the number of threads.
/// Never NaN: where S_w is 0 (constant descriptors) S = I; a class with no row of its own stands at mu.
/// Time O(rounds (rows C D + C D^2 + D^3)), memory O(rows C + D^2).
OwnDataModel own_data_model(Context& context, MatrixView<const float> z, MatrixView<const double> products,
                            std::span<const std::int32_t> labels, MatrixView<const float> votes);

}  // namespace lowshot
