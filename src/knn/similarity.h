#pragma once
// The float32 score of two rows. One code path for every processor (AVX2), so tables are the same on all of them, and
// symmetric to the last bit: score(x, y) == score(y, x).

#include <immintrin.h>

#include <cstddef>

namespace lowshot::knn {

inline float sum_lanes(__m256 v) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

inline float inner_product(const float* x, const float* y, std::size_t dim) {
  __m256 sum[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
  std::size_t j = 0;
  for (; j + 32 <= dim; j += 32)
    for (int v = 0; v < 4; ++v)
      sum[v] = _mm256_fmadd_ps(_mm256_loadu_ps(x + j + 8 * v), _mm256_loadu_ps(y + j + 8 * v), sum[v]);
  float rest = 0;
  for (; j < dim; ++j) rest += x[j] * y[j];
  return sum_lanes(_mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3]))) + rest;
}

inline float minus_squared_distance(const float* x, const float* y, std::size_t dim) {
  __m256 sum[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
  std::size_t j = 0;
  for (; j + 32 <= dim; j += 32)
    for (int v = 0; v < 4; ++v) {
      const __m256 d = _mm256_sub_ps(_mm256_loadu_ps(x + j + 8 * v), _mm256_loadu_ps(y + j + 8 * v));
      sum[v] = _mm256_fmadd_ps(d, d, sum[v]);
    }
  float rest = 0;
  for (; j < dim; ++j) rest += (x[j] - y[j]) * (x[j] - y[j]);
  return -(sum_lanes(_mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3]))) + rest);
}

}  // namespace lowshot::knn
