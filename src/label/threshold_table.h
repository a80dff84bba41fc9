#pragma once
// Of a confidence: how many rows reach it, and how often held-out rows that reach it are right.

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "label/held_out_scores.h"
#include "lowshot/label.h"

namespace lowshot {

using RankedAnswers = std::vector<std::pair<float, bool>>;  ///< (confidence, right), by falling confidence

/// Every held-out answer of every repeat.
RankedAnswers ranked_answers(const HeldOutScores& scores, std::uint32_t iteration);

class ThresholdTable {
 public:
  /// `confidences` of the unlabelled rows (any order) and the ranked held-out answers.
  ThresholdTable(std::vector<float> confidences, RankedAnswers ranked, std::uint32_t repeats);

  ThresholdRow at(float threshold) const;
  /// Lines at 100, 95, 90, .. 5 % of the rows.
  std::vector<ThresholdRow> rows() const;
  /// The lowest threshold from which on the held-out answers are right often enough: the share of right ones among the
  /// answers above it, less one answer counted as wrong for each repeat, must reach the wish. Without that the lucky
  /// end of the few most confident answers would be picked.
  std::optional<ThresholdRow> pick(double precision) const;

 private:
  std::vector<float> confidences_;
  RankedAnswers ranked_;
  std::vector<std::uint64_t> right_;  // among the first i answers
  std::uint32_t repeats_;
};

}  // namespace lowshot
