#pragma once
// Linear discriminant analysis in closed form for low-shot problems: "base" classes with many labels say how rows
// scatter within a class and how far classes lie apart; a "novel" class needs one label. No iteration, no randomness.
//
//   z = the transformed row (lowshot/row_transform.h), S_w = the covariance within the base classes (divisor N), and
//   S = (1 - lam) S_w + lam tr(S_w)/D I            lam: shrinkage (Friedman 1989; Ledoit and Wolf 2004 for the target)
//   u = S^(-1/2) (z - mu)                          mu: the mean of the base classes' means
//   b = mean over the D dimensions of max(0, e_d - 1/n), e: eigenvalues of the covariance of the base classes' means in
//       u (divisor classes - 1), 1/n: the mean of 1/rows over base classes, what the means' own noise adds
//   m_c = mean of u over a base class; r mean(u) over a novel one, r = n m b / (n m b + 1) (the posterior mean under a
//         normal prior of variance b, as James and Stein's; m: how much more an own label counts than that says)
//   score_c = t (m_c . u - |m_c|^2 / 2), t = the one of 60 values from 10^-2.5 to 10^0.3 that makes the base rows most
//             likely, softmax over the base classes
// The scores are affine in z, so the classifier is a `SoftmaxModel`: log_softmax (lowshot/logreg.h) gives its answers.

#include <cstdint>
#include <span>
#include <vector>

#include "lowshot/context.h"
#include "lowshot/descriptors.h"
#include "lowshot/linear_map.h"
#include "lowshot/logreg.h"
#include "lowshot/matrix.h"
#include "lowshot/row_source.h"
#include "lowshot/row_transform.h"

namespace lowshot {

struct LdaOptions {
  RowTransform transform = {};
  double shrinkage = 0.5;     ///< lam, above 0 to 1: more for fewer rows a dimension
  double label_weight = 2.0;  ///< m, above 0: more trusts a novel class's few rows more
};

/// What the base classes say; shared by all sets of novel labels.
struct LdaFit {
  RowTransform transform;
  double shrinkage = 1, label_weight = 0;
  Matrix<double> root;              ///< D x D, R lower triangular, R R' = S: u = R^-1 (z - mu), up to a rotation that
                                    ///< changes no score
  std::vector<double> centre;       ///< mu
  Matrix<double> means;             ///< C x D, m_c of the base classes, in u; other rows 0
  std::vector<std::uint64_t> rows;  ///< C: base rows of each class; 0: not a base class
  double between = 1;               ///< b
  double temperature = 1;           ///< t
  std::size_t classes() const { return rows.size(); }
};

/// Fits the base classes. `x`: raw rows, read in blocks, three times; `labels`: one a row, its class 0 .. classes - 1,
/// or -1: the row is not used. A class with rows here is a base class.
/// Never NaN: where S_w is (nearly) zero, as with one row a class, its trace counts as 1e-6 of that of all rows; where
/// all rows are equal, S = I; with fewer than two base classes nothing says b and t, and both are 1; without any, mu =
/// 0. Products of a block float32, sums over blocks and all else float64; independent of the number of threads. Time
/// O(N D^2 + D^3 + N C (D + 60)), memory O(D^2 + C D) beside a block. Throws Error (usage) for options outside their
/// range, Error (input) for a label outside its range, NaN and infinity.
LdaFit fit_lda(Context& context, RowSource& x, std::span<const std::int32_t> labels, std::uint32_t classes,
               const LdaOptions& options);

/// The classifier of all classes: `x` are the raw labelled rows of novel classes, `labels` their classes. A class with
/// neither base rows nor labels stands at mu. Throws Error (input) for a label that is out of range or of a base class.
SoftmaxModel lda_model(Context& context, const LdaFit& fit, const DescriptorView& x,
                       std::span<const std::int32_t> labels);

/// out[i][c] = log P(class c | raw row x_i), rows x C: transform and log_softmax, block by block.
void lda_log_softmax(Context& context, const RowTransform& transform, const SoftmaxModel& model,
                     const DescriptorView& x, MatrixView<float> out);

/// u = R^-1 (z - mu): rows whose classes scatter alike in all directions, as far as the shrinkage lets them.
LinearMap whitening(const LdaFit& fit);

/// S(shrinkage)^-power, D x D, nothing added; the covariance is that of the fit, whose own shrinkage must be below 1.
LinearMap spreading(const LdaFit& fit, double shrinkage, double power);

/// The classifier of z that does what `model` does of A z + b.
SoftmaxModel behind(const LinearMap& map, const SoftmaxModel& model);

/// Bytes that `fit_lda` holds at its peak, result included.
std::uint64_t fit_lda_memory(std::uint64_t classes, std::uint64_t dim);

}  // namespace lowshot
