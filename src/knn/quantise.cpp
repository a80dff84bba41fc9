#include "knn/quantise.h"

#include <immintrin.h>

#include <algorithm>
#include <cmath>

namespace lowshot::knn {
namespace {

// Sums of float64, eight lanes.
struct Lanes {
  __m256d low = _mm256_setzero_pd(), high = _mm256_setzero_pd();

  void add_product(__m256 a, __m256 b) {
    low = _mm256_fmadd_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(a)), _mm256_cvtps_pd(_mm256_castps256_ps128(b)), low);
    high = _mm256_fmadd_pd(_mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)), _mm256_cvtps_pd(_mm256_extractf128_ps(b, 1)),
                           high);
  }
  double sum() const {
    const __m256d four = _mm256_add_pd(low, high);
    const __m128d two = _mm_add_pd(_mm256_castpd256_pd128(four), _mm256_extractf128_pd(four, 1));
    return _mm_cvtsd_f64(_mm_add_sd(two, _mm_unpackhi_pd(two, two)));
  }
};

__m256 shifted(const float* row, const float* centre, std::size_t j) {
  return _mm256_sub_ps(_mm256_loadu_ps(row + j), _mm256_loadu_ps(centre + j));
}

float largest_magnitude(const float* row, const float* centre, std::size_t dim) {
  const __m256 sign = _mm256_set1_ps(-0.0f);
  __m256 largest = _mm256_setzero_ps();
  std::size_t j = 0;
  for (; j + 8 <= dim; j += 8) largest = _mm256_max_ps(largest, _mm256_andnot_ps(sign, shifted(row, centre, j)));
  alignas(32) float lanes[8];
  _mm256_store_ps(lanes, largest);
  float result = *std::max_element(lanes, lanes + 8);
  for (; j < dim; ++j) result = std::max(result, std::fabs(row[j] - centre[j]));
  return result;
}

}  // namespace

RowNorms squared_norms(const float* row, const float* centre, std::size_t dim) {
  Lanes centred, raw;
  std::size_t j = 0;
  for (; j + 8 <= dim; j += 8) {
    const __m256 c = shifted(row, centre, j), x = _mm256_loadu_ps(row + j);
    centred.add_product(c, c);
    raw.add_product(x, x);
  }
  RowNorms norms{centred.sum(), raw.sum()};
  for (; j < dim; ++j) {
    const double c = row[j] - centre[j], x = row[j];
    norms.centred += c * c;
    norms.raw += x * x;
  }
  return norms;
}

QuantisedRow quantise(const float* row, const float* centre, std::size_t dim, std::int32_t levels, std::int8_t* codes) {
  QuantisedRow result;
  const float most = static_cast<float>(levels);
  result.scale = largest_magnitude(row, centre, dim) / most;
  const float factor = 1 / result.scale, inverse = std::isfinite(factor) ? factor : 0;

  const __m256 scales = _mm256_set1_ps(inverse), top = _mm256_set1_ps(most), bottom = _mm256_set1_ps(-most);
  const __m256d step = _mm256_set1_pd(result.scale);
  Lanes residual, square, along_centre;
  __m256i code_sum = _mm256_setzero_si256();
  std::size_t j = 0;
  for (; j + 8 <= dim; j += 8) {
    const __m256 c = shifted(row, centre, j);
    const __m256i code =
        _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(_mm256_mul_ps(c, scales), bottom), top));  // ties to even
    code_sum = _mm256_add_epi32(code_sum, code);
    const __m128i code_low = _mm256_castsi256_si128(code), code_high = _mm256_extracti128_si256(code, 1);
    const __m128i words = _mm_packs_epi32(code_low, code_high);
    _mm_storel_epi64(reinterpret_cast<__m128i*>(codes + j), _mm_packs_epi16(words, words));

    const __m256d low =
        _mm256_fnmadd_pd(step, _mm256_cvtepi32_pd(code_low), _mm256_cvtps_pd(_mm256_castps256_ps128(c)));
    const __m256d high =
        _mm256_fnmadd_pd(step, _mm256_cvtepi32_pd(code_high), _mm256_cvtps_pd(_mm256_extractf128_ps(c, 1)));
    residual.low = _mm256_fmadd_pd(low, low, residual.low);
    residual.high = _mm256_fmadd_pd(high, high, residual.high);
    square.add_product(c, c);
    along_centre.add_product(c, _mm256_loadu_ps(centre + j));
  }
  alignas(32) std::int32_t lanes[8];
  _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), code_sum);
  for (const std::int32_t lane : lanes) result.code_sum += lane;
  result.residual = residual.sum(), result.square = square.sum(), result.along_centre = along_centre.sum();
  for (; j < dim; ++j) {
    const float c = row[j] - centre[j];
    const auto code = static_cast<std::int32_t>(std::lrintf(std::clamp(c * inverse, -most, most)));
    codes[j] = static_cast<std::int8_t>(code);
    result.code_sum += code;
    const double rest = static_cast<double>(c) - static_cast<double>(result.scale) * code;
    result.residual += rest * rest;
    result.square += static_cast<double>(c) * c;
    result.along_centre += static_cast<double>(c) * centre[j];
  }
  return result;
}

}  // namespace lowshot::knn
