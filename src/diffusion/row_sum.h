#pragma once
// Rows of W U from sparse rows of U, one after the other: what sparse steps have in common.
//
// Memory is slow, so rows of U are asked for a hundred edges ahead. Lengths are no branches: entries are copied eight
// at a time, whatever their number, to a list that is added up in one loop. And a row's sums are read, eight at a time,
// only when the next row's entries are listed: until then the single sums just written are still on their way to the
// cache, and a wide load of them waits. CPU seconds of an Intel Xeon (Sapphire Rapids), 48 million edges, rows of 2.6
// entries, 165 million additions, rows of 100 entries made of them: 1.4 to 1.6; with sums read later 1.1.

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "diffusion/sparse_scores.h"

namespace lowshot::diffusion {

/// The sum of one row: a place for every class. Entries are listed first, then added. Rows of few additions mark the
/// groups of 8 places they write; in rows of many all places are looked at in the end, which is cheaper than marks.
class RowSum {
 public:
  static constexpr std::uint32_t group = 8, block = 64;

  explicit RowSum(std::uint32_t classes)
      : sum_((classes + block - 1) / block * block, 0.0f), marks_(sum_.size() / group / 64 + 1, 0) {}

  /// Lists eight entries of which the first `count` are meant. Not when `full`.
  template <typename T>
  void list(const ClassScore<T>* entries, std::uint32_t count, std::uint32_t weight) {
    static constexpr float weights[] = {0, 1, 2};
    append(entries, weights + weight, classes_.data() + size_, scores_.data() + size_);
    size_ += count;
  }
  bool full() const { return size_ >= list_size; }
  bool listed() const { return size_ != 0; }

  /// Adds up what is listed.
  void add_listed() {
    float* __restrict sum = sum_.data();
    const std::uint32_t* __restrict classes = classes_.data();
    const float* __restrict scores = scores_.data();
    const std::size_t size = size_;  // not a member, that stores may change
    for (std::size_t e = 0; e < size; ++e) sum[classes[e]] += scores[e];
    additions_ += size;
    size_ = 0;
    if (additions_ < sum_.size() / 16) {
      for (std::size_t e = 0; e < size; ++e)
        marks_[classes[e] / group / 64] |= std::uint64_t{1} << (classes[e] / group % 64);
    }
  }
  bool empty() const { return additions_ == 0; }

  /// Calls visit(first class, the sums of 8 classes times `scale`) for groups that hold all that is not 0, classes
  /// rising, and starts anew. What is listed stays.
  template <typename Visit>
  void take(float scale, const Visit& visit) {
    if (all_places()) {
      for (std::size_t c = 0; c < sum_.size(); c += group) take_group(c, scale, visit);
      return;
    }
    for (std::size_t m = 0; m < marks_.size(); ++m)
      for (; marks_[m] != 0; marks_[m] &= marks_[m] - 1)
        take_group((m * 64 + static_cast<std::size_t>(std::countr_zero(marks_[m]))) * group, scale, visit);
  }

  /// The same with visit(block, the sums of its 64 classes), not scaled.
  template <typename Visit>
  void take_blocks(const Visit& visit) {
    const bool all = all_places();
    for (std::size_t b = 0; b * block < sum_.size(); ++b) {
      if (!all) {
        const std::uint64_t groups = std::uint64_t{0xff} << (b % 8 * 8);
        if ((marks_[b / 8] & groups) == 0) continue;
        marks_[b / 8] &= ~groups;
      }
      visit(b, sum_.data() + b * block);
#pragma GCC unroll 8
      for (std::size_t c = 0; c < block; c += group) _mm256_store_ps(sum_.data() + b * block + c, _mm256_setzero_ps());
    }
  }

 private:
  static constexpr std::size_t list_size = 512;

  // Eight entries, those behind a row's end included: they are overwritten by the next.
  static void append(const ClassScore<Half>* from, const float* weight, std::uint32_t* classes, float* scores) {
    const __m128i low = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    const __m128i high = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + 4));
    const __m128i cls = _mm_set1_epi32(0xffff);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(classes), _mm_and_si128(low, cls));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(classes + 4), _mm_and_si128(high, cls));
    const __m256 score = _mm256_cvtph_ps(_mm_packus_epi32(_mm_srli_epi32(low, 16), _mm_srli_epi32(high, 16)));
    _mm256_storeu_ps(scores, _mm256_mul_ps(score, _mm256_broadcast_ss(weight)));
  }
  static void append(const ClassScore<float>* from, const float* weight, std::uint32_t* classes, float* scores) {
    for (std::uint32_t e = 0; e < group; ++e) {
      classes[e] = from[e].cls;
      scores[e] = from[e].score * *weight;
    }
  }

  // Whether the row's marks say nothing; a new row begins.
  bool all_places() {
    const bool many = additions_ >= sum_.size() / 16;
    if (many) std::fill(marks_.begin(), marks_.end(), 0);
    additions_ = 0;
    return many;
  }

  template <typename Visit>
  void take_group(std::size_t first, float scale, const Visit& visit) {
    const __m256 scores = _mm256_mul_ps(_mm256_load_ps(sum_.data() + first), _mm256_set1_ps(scale));
    _mm256_store_ps(sum_.data() + first, _mm256_setzero_ps());
    visit(static_cast<std::uint32_t>(first), scores);
  }

  Array<float> sum_;
  std::vector<std::uint64_t> marks_;
  std::uint64_t additions_ = 0;
  std::array<std::uint32_t, list_size + group> classes_;
  std::array<float, list_size + group> scores_;
  std::size_t size_ = 0;
};

/// The edges of listed rows, one after the other.
class EdgesAhead {
 public:
  EdgesAhead(const GraphView& graph, std::span<const std::uint32_t> rows) : graph_(graph), rows_(rows) {}

  /// Calls ask(node) for the next edge, if there is one. Inlined, as `ask` should be: g++ 12 leaves out calls of
  /// functions that do nothing but prefetch.
  template <typename Ask>
  [[gnu::always_inline]] void next(const Ask& ask) {
    while (edge_ == end_) {
      if (row_ == rows_.size()) return;
      const auto edges = graph_.row(rows_[row_++]);
      edge_ = edges.data();
      end_ = edge_ + edges.size();
    }
    ask(edge_node(*edge_++));
  }

 private:
  const GraphView& graph_;
  std::span<const std::uint32_t> rows_;
  std::size_t row_ = 0;
  const std::uint32_t *edge_ = nullptr, *end_ = nullptr;
};

/// Adds up the listed rows of B U in turn and calls done(r) when `sum` holds row rows[r]; not for rows without
/// additions.
template <typename T, typename Done>
void sum_rows(const GraphView& graph, const SparseScores<T>& u, std::span<const std::uint32_t> rows, RowSum& sum,
              const Done& done) {
  constexpr int ahead = 96, entries_ahead = 32;
  constexpr std::size_t line = 64 / sizeof(ClassScore<T>);
  constexpr std::uint32_t group = RowSum::group;
  const bool mostly_empty = u.filled < u.rows.size() / 2;
  EdgesAhead next_row(graph, rows), next_entries(graph, rows);
  const auto ask_row = [&](NodeId j) __attribute__((always_inline)) {
    if (!mostly_empty || u.holds(j)) __builtin_prefetch(&u.rows[j]);
  };
  const auto ask_entries = [&](NodeId j) __attribute__((always_inline)) {
    if (mostly_empty && !u.holds(j)) return;
    const auto& row = u.rows[j];
    if (row.count > row.most_within)
      for (std::size_t e = 0; e < row.count; e += line) __builtin_prefetch(row.elsewhere() + e);
  };
  for (int e = 0; e < ahead; ++e) next_row.next(ask_row);
  for (int e = 0; e < entries_ahead && u.longest > SparseScores<T>::Row::most_within; ++e)
    next_entries.next(ask_entries);

  std::size_t added = rows.size();  // whose sums stand in `sum`
  const auto finish = [&] {
    if (added != rows.size()) done(added);
    added = rows.size();
  };
  for (std::size_t r = 0; r < rows.size(); ++r) {
    for (const std::uint32_t edge : graph.row(rows[r])) {
      next_row.next(ask_row);
      if (u.longest > SparseScores<T>::Row::most_within) next_entries.next(ask_entries);
      if (mostly_empty && !u.holds(edge_node(edge))) continue;
      const auto& row = u.rows[edge_node(edge)];
      const ClassScore<T>* entries = row.begin();
      for (std::uint32_t left = row.count;; entries += group) {
        sum.list(entries, std::min(left, group), edge_weight(edge));
        if (sum.full()) {
          finish();
          sum.add_listed();
        }
        if (left <= group) break;
        left -= group;
      }
    }
    finish();
    if (sum.listed()) sum.add_listed();
    if (!sum.empty()) added = r;
  }
  finish();
}

}  // namespace lowshot::diffusion
