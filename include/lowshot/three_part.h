#pragma once
// The classifier of the recipe `full`: the mean of the log-probabilities of
//   LDA(L2(x); .9, 1), LDA(L2(sqrt x - mean); .7, 2) (lowshot/lda.h; with negative values LDA(L2(x - mean); .5, 2)) and
//   a softmax regression on the u of the first (lowshot/softmax_regression.h), base and labelled novel rows together.

#include <cstdint>
#include <span>
#include <vector>

#include "lowshot/context.h"
#include "lowshot/descriptors.h"
#include "lowshot/lda.h"
#include "lowshot/matrix.h"
#include "lowshot/row_source.h"
#include "lowshot/softmax_regression.h"

namespace lowshot {

/// What the base classes say; shared by all sets of novel labels.
struct ThreePartFit {
  LdaFit plain, root;
  LinearMap whitening;                    ///< u of `plain`
  Matrix<float> base;                     ///< u of the base rows
  std::vector<std::int32_t> base_labels;  ///< their classes
  double step = 1;                        ///< of the regression
};

/// `labels`: one a row of x, its base class or -1; `centred`: the transform that centred_power(.., 0.5) gives.
ThreePartFit fit_three_part(Context& context, RowSource& x, std::span<const std::int32_t> labels, std::uint32_t classes,
                            const RowTransform& centred);

struct ThreePartModel {
  SoftmaxModel plain, root, regression;  ///< of transformed rows
};

/// `x`: raw labelled rows of novel classes. O(iterations N D C): the regression starts anew with every set of labels.
ThreePartModel three_part_model(Context& context, const ThreePartFit& fit, const DescriptorView& x,
                                std::span<const std::int32_t> labels);

/// out[i][c]: the mean of the three log-probabilities, rows x C.
void three_part_scores(Context& context, const ThreePartFit& fit, const ThreePartModel& model, const DescriptorView& x,
                       MatrixView<float> out);

}  // namespace lowshot
