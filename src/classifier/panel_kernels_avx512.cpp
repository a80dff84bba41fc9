#include <immintrin.h>

#include "classifier/panel_kernels.h"

namespace lowshot::classifier {
namespace {

using V = __m512;
constexpr std::uint32_t lanes = 16;
constexpr std::uint32_t tile_rows = 12;  // 24 sums, 2 panel registers and a broadcast of 32

inline V load(const float* p) {
  return _mm512_loadu_ps(p);
}
inline void store(float* p, V v) {
  _mm512_storeu_ps(p, v);
}
inline V set(float v) {
  return _mm512_set1_ps(v);
}
inline V broadcast(const float* p) {
  return _mm512_set1_ps(*p);
}
inline V fma(V a, V b, V c) {
  return _mm512_fmadd_ps(a, b, c);
}
inline V mul(V a, V b) {
  return _mm512_mul_ps(a, b);
}
inline V div(V a, V b) {
  return _mm512_div_ps(a, b);
}
inline V sub(V a, V b) {
  return _mm512_sub_ps(a, b);
}
inline V max_of(V a, V b) {
  return _mm512_max_ps(a, b);
}
inline V round_of(V v) {
  return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline V power_of_2(V n) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127)), 23));
}
inline float row_max(const V (&v)[2]) {
  return _mm512_reduce_max_ps(_mm512_max_ps(v[0], v[1]));
}
// Column c with c + 16, then + 8, + 4, + 2, + 1: the same tree as in the other file.
inline float row_sum(const V (&v)[2]) {
  const __m512 sixteen = _mm512_add_ps(v[0], v[1]);
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(sixteen), _mm512_extractf32x8_ps(sixteen, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

#include "classifier/panel_kernels_body.h"

}  // namespace

PanelKernels panel_kernels_avx512() {
  return {logits, exponentials, join, probabilities, update};
}

}  // namespace lowshot::classifier
