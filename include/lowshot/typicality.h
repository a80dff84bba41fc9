#pragma once
// Rows that belong to none of the classes: how a row's evidence ranks among that of rows known to belong to one.

#include <span>
#include <vector>

namespace lowshot {

/// Evidence of rows known to belong to a class (held out, or the ranks would be those of the labels themselves),
/// sorted. A row's typicality is the share of them whose evidence is at most its own: uniform in 0 .. 1 for rows of
/// the known classes, near 0 for strangers.
class Typicality {
 public:
  Typicality() = default;
  /// `evidence`: any real numbers, more is more typical; no NaN. Without any, every row is wholly typical (1).
  explicit Typicality(std::vector<float> evidence);

  float operator()(float evidence) const;
  bool known() const { return !sorted_.empty(); }

 private:
  std::vector<float> sorted_;
};

/// The probability that a row of the first kind has more evidence than one of the second, half for a tie: the area
/// under the receiver operating characteristic. .5 without rows of either kind. O(n log n).
double auroc(std::span<const float> known, std::span<const float> unknown);

}  // namespace lowshot
