#include "knn/best_scores.h"

#include <limits>

namespace lowshot::knn {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

std::uint32_t count_reaching(const float* scores, std::uint32_t count, float level) {
  const __m256 least = _mm256_set1_ps(level);
  __m256i low = _mm256_setzero_si256(), high = low;
  for (std::uint32_t j = 0; j < count; j += score_step) {
    low = _mm256_sub_epi32(low, _mm256_castps_si256(_mm256_cmp_ps(_mm256_loadu_ps(scores + j), least, _CMP_GE_OQ)));
    high =
        _mm256_sub_epi32(high, _mm256_castps_si256(_mm256_cmp_ps(_mm256_loadu_ps(scores + j + 8), least, _CMP_GE_OQ)));
  }
  const __m256i eight = _mm256_add_epi32(low, high);
  __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1));
  return static_cast<std::uint32_t>(_mm_cvtsi128_si32(four));
}

// Of the scores that are not -infinity.
struct Range {
  float least, greatest;
};
Range range_of(const float* scores, std::uint32_t count) {
  const __m256 none = _mm256_set1_ps(-infinity), all = _mm256_set1_ps(infinity);
  __m256 least = all, greatest = none;
  for (std::uint32_t j = 0; j < count; j += 8) {
    const __m256 score = _mm256_loadu_ps(scores + j);
    greatest = _mm256_max_ps(greatest, score);
    least = _mm256_min_ps(least, _mm256_blendv_ps(score, all, _mm256_cmp_ps(score, none, _CMP_EQ_OQ)));
  }
  alignas(32) float low[8], high[8];
  _mm256_store_ps(low, least), _mm256_store_ps(high, greatest);
  Range range{low[0], high[0]};
  for (int lane = 1; lane < 8; ++lane) {
    range.least = low[lane] < range.least ? low[lane] : range.least;
    range.greatest = high[lane] > range.greatest ? high[lane] : range.greatest;
  }
  return range;
}

}  // namespace

void group_maxima(const float* scores, std::uint32_t count, std::uint32_t width, float* maxima) {
  for (std::uint32_t g = 0; g < width; g += 8) {
    __m256 greatest = _mm256_set1_ps(-infinity);
    for (std::uint32_t j = g; j < count; j += width) greatest = _mm256_max_ps(greatest, _mm256_loadu_ps(scores + j));
    _mm256_storeu_ps(maxima + g, greatest);
  }
}

float greatest(const float* scores, std::uint32_t count) {
  __m256 eight = _mm256_set1_ps(-infinity);
  for (std::uint32_t j = 0; j < count; j += 8) eight = _mm256_max_ps(eight, _mm256_loadu_ps(scores + j));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

float level_of(const float* scores, std::uint32_t count, std::uint32_t k, std::uint32_t spare) {
  const Range range = range_of(scores, count);
  float low = range.least, high = range.greatest;  // at least k reach low
  if (count_reaching(scores, count, low) < k) return -infinity;
  for (;;) {
    const float middle = low + (high - low) / 2;
    if (!(middle > low && middle < high)) break;
    const std::uint32_t reaching = count_reaching(scores, count, middle);
    (reaching >= k ? low : high) = middle;
    if (reaching >= k && reaching <= k + spare) return low;
  }
  return count_reaching(scores, count, high) >= k ? high : low;
}

}  // namespace lowshot::knn
