#include <immintrin.h>

#include "classifier/panel_kernels.h"

namespace lowshot::classifier {
namespace {

using V = __m256;
constexpr std::uint32_t lanes = 8;
constexpr std::uint32_t tile_rows = 6;  // 12 sums, 2 panel registers and a broadcast of 16

inline V load(const float* p) {
  return _mm256_loadu_ps(p);
}
inline void store(float* p, V v) {
  _mm256_storeu_ps(p, v);
}
inline V set(float v) {
  return _mm256_set1_ps(v);
}
inline V broadcast(const float* p) {
  return _mm256_broadcast_ss(p);
}
inline V fma(V a, V b, V c) {
  return _mm256_fmadd_ps(a, b, c);
}
inline V mul(V a, V b) {
  return _mm256_mul_ps(a, b);
}
inline V div(V a, V b) {
  return _mm256_div_ps(a, b);
}
inline V sub(V a, V b) {
  return _mm256_sub_ps(a, b);
}
inline V max_of(V a, V b) {
  return _mm256_max_ps(a, b);
}
inline V round_of(V v) {
  return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
inline V power_of_2(V n) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
}
inline float row_max(const V (&v)[4]) {
  const __m256 eight = _mm256_max_ps(_mm256_max_ps(v[0], v[1]), _mm256_max_ps(v[2], v[3]));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}
// Column c with c + 16, then + 8, + 4, + 2, + 1: the same tree as in the other file.
inline float row_sum(const V (&v)[4]) {
  const __m256 eight = _mm256_add_ps(_mm256_add_ps(v[0], v[2]), _mm256_add_ps(v[1], v[3]));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

#include "classifier/panel_kernels_body.h"

}  // namespace

PanelKernels panel_kernels_avx2() {
  return {logits, exponentials, join, probabilities, update};
}

}  // namespace lowshot::classifier
