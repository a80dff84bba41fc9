// Conversion of IEEE binary16 by the F16C instructions, 8 values at a time. Not inline in the header: it is included
// by sources compiled for newer processors, whose copy of an inline function could be the one that is linked.
#include "core/half.h"

#include <immintrin.h>

namespace lowshot {

float to_float(Half value) {
  return _cvtsh_ss(value.bits);
}

Half to_half(float value) {
  return {_cvtss_sh(value, _MM_FROUND_TO_NEAREST_INT)};
}

void convert(const Half* from, float* to, std::size_t count) {
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128i half = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i));
    _mm256_storeu_ps(to + i, _mm256_cvtph_ps(half));
  }
  for (; i < count; ++i) to[i] = to_float(from[i]);
}

void convert(const float* from, Half* to, std::size_t count) {
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128i half = _mm256_cvtps_ph(_mm256_loadu_ps(from + i), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i), half);
  }
  for (; i < count; ++i) to[i] = to_half(from[i]);
}

}  // namespace lowshot
