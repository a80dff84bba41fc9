// Shares of rows whose class is the best or among the five best, and means over runs (reference protocol,
// "Evaluation").

#include <algorithm>
#include <cassert>
#include <cmath>

#include "lowshot/evaluation.h"

namespace lowshot {

Accuracy accuracy(const TopClasses& top, std::span<const std::int32_t> labels, const std::vector<bool>& is_novel) {
  assert(labels.size() == top.rows());
  struct Count {
    std::uint64_t rows = 0, top1 = 0, top5 = 0;
  };
  Count all, novel;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    assert(labels[i] >= 0 && static_cast<std::size_t>(labels[i]) < is_novel.size());
    const auto best = top.row(i).first(std::min<std::size_t>(5, top.width()));
    const bool first = best[0] == labels[i];
    const bool among = std::find(best.begin(), best.end(), labels[i]) != best.end();
    const auto add = [&](Count& count) {
      count.rows += 1;
      count.top1 += first ? 1 : 0;
      count.top5 += among ? 1 : 0;
    };
    add(all);
    if (is_novel[static_cast<std::size_t>(labels[i])]) add(novel);
  }
  const auto share = [](std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
  };
  return {.top5_all = share(all.top5, all.rows),
          .top5_novel = share(novel.top5, novel.rows),
          .top1_all = share(all.top1, all.rows),
          .top1_novel = share(novel.top1, novel.rows)};
}

MeanStd mean_std(std::span<const double> values) {
  if (values.empty()) return {};
  const auto n = static_cast<double>(values.size());
  double sum = 0;
  for (const double value : values) sum += value;
  const double mean = sum / n;
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return {.mean = mean, .std = std::sqrt(squares / n)};
}

}  // namespace lowshot
