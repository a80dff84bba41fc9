#pragma once
// IEEE binary16 <-> float32. Storage only: arithmetic is done in float. Rounding is to nearest, ties to even, as the
// processor's F16C instructions do (part of x86-64-v3, so always there).

#include <cstddef>

#include "lowshot/matrix.h"

namespace lowshot {

float to_float(Half value);
/// Beyond 65,504 becomes infinity.
Half to_half(float value);

/// `count` values; the ranges may not overlap.
void convert(const Half* from, float* to, std::size_t count);
void convert(const float* from, Half* to, std::size_t count);

}  // namespace lowshot
