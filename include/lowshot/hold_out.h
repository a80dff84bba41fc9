#pragma once
// Holding labelled rows out in turn: folds, and what a share of right answers says.

#include <cstdint>
#include <span>

#include "lowshot/matrix.h"

namespace lowshot {

inline constexpr std::uint8_t never_held_out = 255;

/// repeats x rows: the fold (0 .. folds-1) in which each labelled row is held out. Stratified: the rows of a class are
/// shuffled and dealt out evenly, so at least one of two or more stays labelled. The only row of a class is never held
/// out. Seeded, deterministic. `folds`: 2 .. 254.
Matrix<std::uint8_t> stratified_folds(std::span<const std::int32_t> classes, std::uint32_t class_count,
                                      std::uint32_t folds, std::uint32_t repeats, std::uint32_t seed);

struct Interval {
  double low = 0, high = 1;
};

/// 95 % interval of a share seen on n rows (Wilson 1927, score interval): right also near 0 and 1 and for small n.
Interval wilson_interval(double share, std::uint64_t n);

/// Whether one of two answers to the same rows is right so much more often than the other that chance does not explain
/// it: by more than one standard error of the difference, which is the root of the rows on which just one of them is
/// right (McNemar 1947). `only_first`: rows on which the first alone is right.
bool clearly_better(std::uint64_t only_first, std::uint64_t only_second);

}  // namespace lowshot
