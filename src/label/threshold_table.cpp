#include "label/threshold_table.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace lowshot {
namespace {

// Shares of rows at which the table has a line.
constexpr double table_shares[] = {1, .95, .9, .8, .7, .6, .5, .4, .3, .2, .1, .05};

}  // namespace

RankedAnswers ranked_answers(const HeldOutScores& scores, std::uint32_t iteration) {
  RankedAnswers ranked;
  for (std::uint32_t r = 0; r < scores.repeats; ++r) {
    const auto answers = scores.at(iteration, r);
    for (std::size_t i = 0; i < answers.size(); ++i)
      ranked.emplace_back(answers[i].confidence, answers[i].predicted == scores.given[i]);
  }
  std::stable_sort(ranked.begin(), ranked.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  return ranked;
}

ThresholdTable::ThresholdTable(std::vector<float> confidences, RankedAnswers ranked, std::uint32_t repeats)
    : confidences_(std::move(confidences)), ranked_(std::move(ranked)), repeats_(repeats) {
  std::sort(confidences_.begin(), confidences_.end(), std::greater<>());
  right_.push_back(0);
  for (const auto& [confidence, right] : ranked_) right_.push_back(right_.back() + (right ? 1 : 0));
}

ThresholdRow ThresholdTable::at(float threshold) const {
  const auto held = static_cast<std::size_t>(
      std::partition_point(ranked_.begin(), ranked_.end(), [&](const auto& a) { return a.first >= threshold; }) -
      ranked_.begin());
  const auto kept =
      std::partition_point(confidences_.begin(), confidences_.end(), [&](float c) { return c >= threshold; });
  ThresholdRow row;
  row.threshold = threshold;
  row.kept = confidences_.empty()
                 ? 0
                 : static_cast<double>(kept - confidences_.begin()) / static_cast<double>(confidences_.size());
  row.held_out = held / repeats_;
  row.accuracy = held == 0 ? 0 : static_cast<double>(right_[held]) / static_cast<double>(held);
  return row;
}

std::vector<ThresholdRow> ThresholdTable::rows() const {
  std::vector<ThresholdRow> rows;
  for (const double share : table_shares) {
    if (confidences_.empty()) break;
    const auto place = static_cast<std::size_t>(std::ceil(share * static_cast<double>(confidences_.size())));
    rows.push_back(at(share == 1 ? 0.0f : confidences_[std::max<std::size_t>(place, 1) - 1]));
  }
  return rows;
}

std::optional<ThresholdRow> ThresholdTable::pick(double precision) const {
  for (std::size_t i = ranked_.size(); i-- > 0;) {
    if (i + 1 < ranked_.size() && ranked_[i].first == ranked_[i + 1].first) continue;
    const double asked = static_cast<double>(i + 1 + repeats_);
    if (static_cast<double>(right_[i + 1]) >= precision * asked) return at(ranked_[i].first);
  }
  return {};
}

}  // namespace lowshot
