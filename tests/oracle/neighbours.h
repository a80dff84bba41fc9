#pragma once
// Nearest neighbours the slow way: every pair, float64, sorted.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "oracle/made_up_rows.h"

namespace oracle {

enum class Similarity { inner_product, minus_squared_distance };

struct Neighbour {
  std::int64_t id;
  double similarity;
};

double similarity(Similarity kind, const float* x, const float* y, std::size_t d);

/// What a float32 sum of d terms, in any order a processor may choose, can be off by: each of at most d / 32 + 40
/// roundings (32 sums side by side, a tail of up to 31 terms, the sums of the sums) is half a unit of 2^-23 relative to
/// the sum of magnitudes, which Cauchy-Schwarz bounds by |x| |y|; where products are subnormal, half a unit of 2^-149
/// each.
double similarity_error(Similarity kind, const float* x, const float* y, std::size_t d);

/// All rows of `x` for every query, the most similar first, equal ones by rising id.
std::vector<std::vector<Neighbour>> nearest(Similarity kind, const MadeUpRows& queries, const MadeUpRows& x);

}  // namespace oracle
