#pragma once
// Confidences that mean what they say: log scores divided by a temperature that held-out rows chose.
// Guo et al. 2017, "On calibration of modern neural networks", sections 4.2 (temperature) and 2 (calibration error).

#include <cstdint>
#include <span>

#include "lowshot/matrix.h"

namespace lowshot {

/// T such that softmax(scores / T) has the least log-loss on rows whose classes are known. `scores`: rows x classes,
/// finite, up to a constant a row (log scores or logits); `labels`: the class of each row. The class of a row counts as
/// (N + 1) / (N + 2), the others share the rest (Platt 1999, section 2.2): without it a few rows, all of them right,
/// would claim certainty. Between 1e-3 and 1e3; 1 without rows or with a single class.
/// The loss is convex in 1/T, so there is one answer. O(rows x classes), some 40 times, on one thread.
double fit_temperature(MatrixView<const float> scores, std::span<const std::int32_t> labels);

/// Mean of -log softmax(scores / temperature) at the rows' classes; 0 without rows.
double log_loss(MatrixView<const float> scores, std::span<const std::int32_t> labels, double temperature);

/// |accuracy - mean confidence| in `bins` bins of equal width over 0 .. 1, averaged by their rows. `right`: whether a
/// row's first choice is its class. 0 without rows.
double expected_calibration_error(std::span<const float> confidences, std::span<const std::uint8_t> right,
                                  std::uint32_t bins = 15);

}  // namespace lowshot
