#pragma once
// The float32 score of two rows. One code path for every processor (AVX2), so tables are the same on all of them, and
// symmetric to the last bit: score(x, y) == score(y, x).

#include <immintrin.h>

#include <cstddef>

#include "lowshot/descriptors.h"
#include "lowshot/knn.h"

namespace lowshot::knn {

inline float sum_lanes(__m256 v) {
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}

inline __m256 load8(const float* x) {
  return _mm256_loadu_ps(x);
}
inline __m256 load8(const Half* x) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(x)));
}
inline float load1(const float* x) {
  return *x;
}
inline float load1(const Half* x) {
  return _cvtsh_ss(x->bits);
}

/// T: float or Half; the sum is float32 either way.
template <typename T>
float inner_product(const T* x, const T* y, std::size_t dim) {
  __m256 sum[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
  std::size_t j = 0;
  for (; j + 32 <= dim; j += 32)
    for (int v = 0; v < 4; ++v) sum[v] = _mm256_fmadd_ps(load8(x + j + 8 * v), load8(y + j + 8 * v), sum[v]);
  float rest = 0;
  for (; j < dim; ++j) rest += load1(x + j) * load1(y + j);
  return sum_lanes(_mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3]))) + rest;
}

/// Of p x and q y.
template <typename T>
float minus_squared_distance(const T* x, float p, const T* y, float q, std::size_t dim) {
  const __m256 scale_x = _mm256_set1_ps(p), scale_y = _mm256_set1_ps(q);
  __m256 sum[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps()};
  std::size_t j = 0;
  for (; j + 32 <= dim; j += 32)
    for (int v = 0; v < 4; ++v) {
      const __m256 d =
          _mm256_sub_ps(_mm256_mul_ps(load8(x + j + 8 * v), scale_x), _mm256_mul_ps(load8(y + j + 8 * v), scale_y));
      sum[v] = _mm256_fmadd_ps(d, d, sum[v]);
    }
  float rest = 0;
  for (; j < dim; ++j) {
    const float d = load1(x + j) * p - load1(y + j) * q;
    rest += d * d;
  }
  return -(sum_lanes(_mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3]))) + rest);
}

/// Row i of x against row j of y: the product of the two factors comes first, so the order of the rows does not matter.
inline float similarity(const DescriptorView& x, std::size_t i, const DescriptorView& y, std::size_t j, Metric metric) {
  const float p = x.factor(i), q = y.factor(j);
  const std::size_t dim = x.cols();
  if (x.is_half()) {
    return metric == Metric::l2 ? minus_squared_distance(x.half_row(i), p, y.half_row(j), q, dim)
                                : p * q * inner_product(x.half_row(i), y.half_row(j), dim);
  }
  return metric == Metric::l2 ? minus_squared_distance(x.single_row(i), 1, y.single_row(j), 1, dim)
                              : inner_product(x.single_row(i), y.single_row(j), dim);
}

/// similarity() of row i of x and each of the rows ids[0] .. ids[count - 1] of y, fetched while those before them are
/// compared. On one Zen 5 core, 200,000 rows of 256 float32, 40 ids a call: 57 ns a row instead of 137 where the ids
/// are random (18 GB/s, what its memory gives), 19 instead of 20 where they are near each other; with huge pages 49
/// instead of 101. Half rows: 52 instead of 120.
void similarities(const DescriptorView& x, std::size_t i, const DescriptorView& y, const NodeId* ids, std::size_t count,
                  Metric metric, float* out);

/// Asks for a row of x to be brought into the caches.
inline void fetch_row(const DescriptorView& x, std::size_t i) {
  const char* row =
      x.is_half() ? reinterpret_cast<const char*>(x.half_row(i)) : reinterpret_cast<const char*>(x.single_row(i));
  const std::size_t bytes = x.cols() * (x.is_half() ? sizeof(Half) : sizeof(float));
  for (std::size_t b = 0; b < bytes; b += 64) __builtin_prefetch(row + b);
}

/// About 6 KiB ahead is best: 6 to 8 rows of 256 float32, 12 of as many half; half as many lose a tenth, 12 KiB too.
inline std::size_t rows_to_fetch_ahead(const DescriptorView& x) {
  const std::size_t bytes = x.cols() * (x.is_half() ? sizeof(Half) : sizeof(float));
  return bytes == 0 ? 1 : 1 + 6144 / bytes;
}

}  // namespace lowshot::knn
