#include "diffusion/block_scores.h"

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "diffusion/mask_places.h"
#include "diffusion/row_sum.h"

namespace lowshot::diffusion {
namespace {

constexpr std::size_t group = RowSum::group;
constexpr std::size_t slab_bytes = std::size_t{4} << 20;

// The same for bytes of values of two bytes.
using ByteShuffles = std::array<std::array<std::uint8_t, 16>, 256>;
constexpr ByteShuffles of_bytes(const std::array<std::array<std::uint8_t, 8>, 256>& places) {
  ByteShuffles bytes{};
  for (unsigned mask = 0; mask < 256; ++mask)
    for (unsigned p = 0; p < 8; ++p)
      for (unsigned b = 0; b < 2; ++b)
        bytes[mask][2 * p + b] =
            places[mask][p] == no_place ? no_place : static_cast<std::uint8_t>(2 * places[mask][p] + b);
  return bytes;
}
alignas(16) constexpr ByteShuffles packed_bytes = of_bytes(shuffles.packed), rank_bytes = of_bytes(shuffles.rank);

__m256i places_of(const std::array<std::uint8_t, 8>& bytes) {
  return _mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes.data())));
}
__m128i bytes_of(const std::array<std::uint8_t, 16>& bytes) {
  return _mm_load_si128(reinterpret_cast<const __m128i*>(bytes.data()));
}

// Eight scores, rounded to T: those that are not 0 to the front of `to`, which takes eight. Returns their mask.
unsigned pack(__m256 scores, Half* to) {
  const __m128i half = _mm256_cvtps_ph(scores, _MM_FROUND_TO_NEAREST_INT);
  const __m128i zero = _mm_cmpeq_epi16(half, _mm_setzero_si128());
  const unsigned mask = ~static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(zero, zero))) & 0xff;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_shuffle_epi8(half, bytes_of(packed_bytes[mask])));
  return mask;
}
unsigned pack(__m256 scores, float* to) {
  const unsigned mask =
      static_cast<unsigned>(_mm256_movemask_ps(_mm256_cmp_ps(scores, _mm256_setzero_ps(), _CMP_NEQ_UQ)));
  _mm256_storeu_ps(to, _mm256_permutevar8x32_ps(scores, places_of(shuffles.packed[mask])));
  return mask;
}

// The other way: eight values, 0 where the mask is not set. Reads eight from `from`.
void unpack(const Half* from, unsigned mask, Half* to) {
  const __m128i values = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), _mm_shuffle_epi8(values, bytes_of(rank_bytes[mask])));
}
void unpack(const float* from, unsigned mask, float* to) {
  const __m256i rank = places_of(shuffles.rank[mask]);
  const __m256 values = _mm256_permutevar8x32_ps(_mm256_loadu_ps(from), rank);
  _mm256_storeu_ps(to, _mm256_andnot_ps(_mm256_castsi256_ps(_mm256_srai_epi32(rank, 31)), values));
}

constexpr std::uint64_t lowest_bits(std::uint32_t count) {
  return count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
}

// A chunk while it is made: every block has room for all its rows.
template <typename T>
class Chunk {
 public:
  static constexpr std::size_t rows = BlockScores<T>::chunk_rows, room = rows * 64 + group;

  explicit Chunk(std::size_t blocks) : values_(blocks * room), ends_(blocks) {}

  void clear(std::uint64_t* masks) {
    masks_ = masks;
    std::fill_n(masks, ends_.size() * rows, 0);
    for (std::size_t b = 0; b < ends_.size(); ++b) ends_[b] = values_.data() + b * room;
  }
  /// 64 sums of a row, times `scale`.
  void append(std::size_t row, std::size_t block, const float* sums, float scale) {
    const __m256 factor = _mm256_set1_ps(scale);
    std::uint64_t all = 0;
    T* to = ends_[block];
#pragma GCC unroll 8
    for (std::size_t g = 0; g < 64; g += group) {
      const std::uint64_t mask = pack(_mm256_mul_ps(_mm256_load_ps(sums + g), factor), to);
      all |= mask << g;
      to += std::popcount(mask);
    }
    masks_[block * rows + row] = all;
    ends_[block] = to;
  }
  /// Where each block begins, and how many there are in all.
  std::size_t begins(std::uint32_t* begins) const {
    std::size_t sum = 0;
    for (std::size_t b = 0; b < ends_.size(); ++b) {
      begins[b] = static_cast<std::uint32_t>(sum);
      sum += count(b);
    }
    return sum;
  }
  void copy_to(T* to) const {
    for (std::size_t b = 0; b < ends_.size(); to += count(b), ++b)
      std::memcpy(to, values_.data() + b * room, count(b) * sizeof(T));
  }

 private:
  std::size_t count(std::size_t b) const {
    return static_cast<std::size_t>(ends_[b] - (values_.data() + b * room));
  }

  Array<T> values_;
  std::vector<T*> ends_;
  std::uint64_t* masks_ = nullptr;
};

}  // namespace

template <typename T>
std::optional<BlockScores<T>> block_step(int threads, const GraphView& graph, const SparseScores<T>& u,
                                         std::uint32_t classes, const Reach& reach, std::uint32_t t,
                                         std::uint64_t most_bytes) {
  constexpr std::size_t chunk_rows = BlockScores<T>::chunk_rows;
  const std::size_t n = graph.nodes(), chunks = (n + chunk_rows - 1) / chunk_rows;
  BlockScores<T> next;
  next.places = n;
  next.blocks = (classes + 63) / 64;
  std::uint64_t bytes = chunks * next.blocks * (chunk_rows * sizeof(std::uint64_t) + sizeof(std::uint32_t));
  if (bytes > most_bytes) return {};
  next.masks.resize(chunks * next.blocks * chunk_rows);
  next.begins.resize(chunks * next.blocks);
  next.values.resize(chunks);
#pragma omp parallel num_threads(threads)
  {
    RowSum sum(classes);
    Chunk<T> chunk(next.blocks);
    std::vector<std::uint32_t> rows;
    T* slab = nullptr;
    std::size_t room = 0;
#pragma omp for schedule(dynamic, 8)
    for (std::size_t c = 0; c < chunks; ++c) {
      // Too much is too much whichever thread finds it: the sum does not depend on who added what.
      if (__atomic_load_n(&bytes, __ATOMIC_RELAXED) > most_bytes) continue;
      rows.clear();
      for (std::size_t i = c * chunk_rows; i < std::min(n, (c + 1) * chunk_rows); ++i)
        if (reach.matters(i, t)) rows.push_back(static_cast<std::uint32_t>(i));
      chunk.clear(next.masks.data() + c * next.blocks * chunk_rows);
      sum_rows<T>(graph, u, rows, sum, [&](std::size_t r) {
        const std::size_t row = rows[r] - c * chunk_rows;
        const float scale = graph.inverse_degree[rows[r]];
        sum.take_blocks([&](std::size_t b, const float* sums) { chunk.append(row, b, sums, scale); });
      });
      const std::size_t count = chunk.begins(next.begins.data() + c * next.blocks);
      __atomic_fetch_add(&bytes, count * sizeof(T), __ATOMIC_RELAXED);
      if (count + group > room) {
        room = std::max(count + group, slab_bytes / sizeof(T));
        Array<T> fresh(room);
        slab = fresh.data();
#pragma omp critical(lowshot_block_slabs)
        next.slabs.push_back(std::move(fresh));
      }
      chunk.copy_to(slab);
      next.values[c] = slab;
      slab += count;
      room -= count;
    }
  }
  if (bytes > most_bytes) return {};
  return next;
}

template <typename T>
void expand(int threads, const BlockScores<T>& u, const Slice& slice, MatrixView<T> dense, const Reach& reach,
            std::uint32_t t) {
  constexpr std::size_t chunk_rows = BlockScores<T>::chunk_rows;
  const std::size_t block = slice.first / 64;
  const std::uint32_t shift = slice.first % 64;
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t c = 0; c < u.values.size(); ++c) {
    const std::uint64_t* masks = u.masks.data() + (c * u.blocks + block) * chunk_rows;
    const T* values = u.values[c] + u.begins[c * u.blocks + block];
    for (std::size_t i = c * chunk_rows; i < std::min(u.places, (c + 1) * chunk_rows); ++i) {
      const std::uint64_t all = masks[i - c * chunk_rows], mask = all >> shift & lowest_bits(slice.count);
      const T* from = values + std::popcount(all & lowest_bits(shift));
      values += std::popcount(all);
      if (!reach.needed(i, t)) continue;
      T* row = dense.row(i);
      for (std::uint32_t g = 0; g < slice.width; g += group)
        unpack(from + std::popcount(mask & lowest_bits(g)), mask >> g & 0xff, row + g);
    }
  }
}

template std::optional<BlockScores<float>> block_step(int, const GraphView&, const SparseScores<float>&, std::uint32_t,
                                                      const Reach&, std::uint32_t, std::uint64_t);
template std::optional<BlockScores<Half>> block_step(int, const GraphView&, const SparseScores<Half>&, std::uint32_t,
                                                     const Reach&, std::uint32_t, std::uint64_t);
template void expand(int, const BlockScores<float>&, const Slice&, MatrixView<float>, const Reach&, std::uint32_t);
template void expand(int, const BlockScores<Half>&, const Slice&, MatrixView<Half>, const Reach&, std::uint32_t);

}  // namespace lowshot::diffusion
