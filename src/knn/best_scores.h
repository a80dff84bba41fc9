#pragma once
// The best of scores that lie side by side in memory: found by counting whole vectors, where a list that takes one
// score at a time guesses a branch for each.

#include <immintrin.h>

#include <cstdint>

namespace lowshot::knn {

inline constexpr std::uint32_t score_step =
    16;  ///< numbers of scores are multiples of it; what is over holds -infinity

/// A value that at least k of `count` (> k) scores reach, and at most k + spare; more only where the k-th best is equal
/// to others. Takes a few passes over the scores, -infinity where fewer than k are greater.
float level_of(const float* scores, std::uint32_t count, std::uint32_t k, std::uint32_t spare);

/// Writes the maxima of groups of scores, `width` (a multiple of score_step) of them: group g holds scores g, g +
/// width, and so on. What k maxima reach, at least k scores reach.
void group_maxima(const float* scores, std::uint32_t count, std::uint32_t width, float* maxima);

/// The greatest of `count` (> 0) scores.
float greatest(const float* scores, std::uint32_t count);

/// use(place) for each score that reaches `level`, by rising place.
template <typename Use>
void each_reaching(const float* scores, std::uint32_t count, float level, const Use& use) {
  const __m256 least = _mm256_set1_ps(level);
  for (std::uint32_t j = 0; j < count; j += score_step) {
    const auto reach = [&](std::uint32_t at) {
      return static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(scores + at), least, _CMP_GE_OQ)));
    };
    for (unsigned bits = reach(j) | reach(j + 8) << 8; bits != 0; bits &= bits - 1) use(j + _tzcnt_u32(bits));
  }
}

}  // namespace lowshot::knn
