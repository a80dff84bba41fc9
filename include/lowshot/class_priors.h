#pragma once
// How frequent the classes are among the rows. Labels need not say it: they may have been drawn class by class.
// Estimates from unlabelled rows: Saerens, Latinne and Decaestecker 2002, "Adjusting the outputs of a classifier to new
// a priori probabilities".

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "lowshot/matrix.h"

namespace lowshot {

// In all of them `log_scores` is rows x classes, logarithms of calibrated probabilities up to a constant a row, made
// under the priors `assumed` (positive, one a class, of any sum). All are deterministic.

/// The priors under which the rows are likeliest, by expectation maximisation. Every class counts as one row more than
/// it has, so none vanishes. Adds up to 1; `assumed`, scaled to that, without rows. Until no prior moves by more than
/// 1e-6, at most 500 times over the rows.
std::vector<double> estimate_priors(MatrixView<const float> log_scores, std::span<const double> assumed);

/// By how much a row is likelier under `priors` (at least 0, adding up to 1) than under `assumed`: the mean of
/// log sum_c P_c priors_c / assumed_c. 0 without rows.
double likelihood_gain(MatrixView<const float> log_scores, std::span<const double> assumed,
                       std::span<const double> priors);

/// log(priors / assumed): what is added to log scores made under `assumed`. Minus infinity for a prior of 0.
std::vector<float> prior_offsets(std::span<const double> priors, std::span<const double> assumed);

enum class PriorRule {
  /// `labels`, where those make the unlabelled rows likelier than equal shares, by at least half of what the likeliest
  /// shares could; else `uniform`. The half: answers that favour classes of many labels make their shares look right.
  automatic,
  uniform,  ///< all classes are equally frequent
  labels,   ///< as frequent as among the labels: right where those were drawn at random from all rows
  given,
  estimated,  ///< estimate_priors
};
/// "auto", "uniform", "labels", "given", "estimate".
std::string_view name(PriorRule rule);

struct ClassPriors {
  PriorRule rule = PriorRule::uniform;  ///< never automatic
  std::vector<double> shares;           ///< one a class, add up to 1
  double gain = 0;                      ///< likelihood_gain of the unlabelled rows over equal shares
  double labels_gain = 0;               ///< and that of the labels' shares
  double most_gain = 0;                 ///< and of the likeliest shares; where `automatic` did not need it 0
};

/// `given`: the shares of PriorRule::given, at least 0, scaled here; `labels_of_class`: how many labels each class has,
/// of which the share is taken as (n_c + 1) / (n + C), the mean of what they leave possible: a class has one label or
/// two by chance. `log_scores`: of unlabelled rows, made under equal priors.
ClassPriors class_priors(PriorRule rule, std::span<const double> given, std::span<const std::uint64_t> labels_of_class,
                         MatrixView<const float> log_scores);

}  // namespace lowshot
