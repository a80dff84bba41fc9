#pragma once
// How the filter's kernels write down the pairs that pass. The functions are static because the files that include this
// are compiled for different instruction sets: a shared copy could be one that the processor does not have.

#include <immintrin.h>

#include <cstdint>

#include "knn/filter.h"

namespace lowshot::knn {

/// Bit 16 r + c of `pass`: row r (of at most 4) and column c pass; `first` is the pair of bit 0. `scores` has one a bit
/// and one more that may be read. Up to 4 pairs beyond the last one are overwritten.
///
/// Four pairs are written whether they are there or not: where one column in a hundred passes, 64 bits rarely hold
/// more, and a branch on each row's answer is mispredicted so often that it cost a quarter of the AVX-512 kernel's time
/// at 256 dimensions and half of it at 64 (Zen 5, tiles that did not repeat; compressing stores behind such a branch).
/// Two or three pairs are slower at 5 % of passing columns, six at 1 %.
static inline FilterHits append_hits(std::uint64_t pass, std::uint32_t first, const float* scores, FilterHits hits) {
  constexpr int always = 4;
  const int count = __builtin_popcountll(pass);
  const auto put = [&](int h) {
    const auto bit = static_cast<std::uint32_t>(_tzcnt_u64(pass));  // 64 where none is left
    hits.pairs[h] = first + (bit / panel_width << 16 | bit % panel_width);
    hits.scores[h] = scores[bit];
    pass &= pass - 1;
  };
#pragma GCC unroll 4
  for (int h = 0; h < always; ++h) put(h);
  for (int h = always; h < count; ++h) put(h);
  hits.pairs += count, hits.scores += count;
  return hits;
}

}  // namespace lowshot::knn
