#include "lowshot/typicality.h"

#include <algorithm>
#include <cstddef>
#include <utility>

namespace lowshot {

Typicality::Typicality(std::vector<float> evidence) : sorted_(std::move(evidence)) {
  std::sort(sorted_.begin(), sorted_.end());
}

float Typicality::operator()(float evidence) const {
  if (sorted_.empty()) return 1;
  const auto end = std::upper_bound(sorted_.begin(), sorted_.end(), evidence);
  return static_cast<float>(static_cast<double>(end - sorted_.begin()) / static_cast<double>(sorted_.size()));
}

double auroc(std::span<const float> known, std::span<const float> unknown) {
  if (known.empty() || unknown.empty()) return 0.5;
  std::vector<float> sorted(unknown.begin(), unknown.end());
  std::sort(sorted.begin(), sorted.end());
  double wins = 0;  // halves are exact, and so is the sum up to 2^52 pairs
  for (const float value : known) {
    const auto [first, last] = std::equal_range(sorted.begin(), sorted.end(), value);
    wins += static_cast<double>(first - sorted.begin()) + static_cast<double>(last - first) / 2;
  }
  return wins / static_cast<double>(known.size()) / static_cast<double>(unknown.size());
}

}  // namespace lowshot
