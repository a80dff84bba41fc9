#pragma once
// How frequent the classes are, where the labels do not say it: expectation maximisation over unlabelled rows.
// Saerens, Latinne and Decaestecker 2002, "Adjusting the outputs of a classifier to new a priori probabilities".

#include <span>
#include <vector>

#include "lowshot/matrix.h"

namespace lowshot {

/// The priors under which the rows are likeliest. `log_scores`: rows x classes, logarithms of calibrated probabilities
/// up to a constant a row, made under the priors `assumed` (positive, one a class). Every class counts as one row more
/// than it has, so none vanishes. Adds up to 1; `assumed`, scaled to that, without rows. Deterministic. Until no prior
/// moves by more than 1e-6, at most 500 times over the rows.
std::vector<double> estimate_priors(MatrixView<const float> log_scores, std::span<const double> assumed);

/// log(priors / assumed): what is added to log scores made under `assumed`. Both positive, one a class.
std::vector<float> prior_offsets(std::span<const double> priors, std::span<const double> assumed);

}  // namespace lowshot
