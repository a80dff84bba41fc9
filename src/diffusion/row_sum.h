#pragma once
// Rows of W U from sparse rows of U, one after the other: what the sparse step and the read-out of the step after it
// have in common.
//
// Memory is slow, so each row passes three stages: where its neighbours' entries lie is asked for two rows ahead, the
// entries one row ahead. And lengths are no branches: entries are copied eight at a time, whatever their number, to a
// list that is added up in one loop. CPU seconds of one Zen 5 thread on a busy machine, 53 million edges: rows of 3.5
// entries and 97 million entries made, 1.4 to 1.6 (1.3 to 1.8 with a loop for each neighbour's entries and only their
// first line asked for; half of it is waiting for `rows`, a fifth the kernel's zeroing of what is written); rows of 97
// entries, no less than 1 ns an addition, 10 % more while the list's length was read from memory in the loop.

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "diffusion/sparse_scores.h"

namespace lowshot::diffusion {

/// The sum of one row: a place for every class. Rows of few additions mark the groups of 8 places they write; in rows
/// of many all places are looked at in the end, 8 at a time, which is cheaper than marks: 1024 classes take 0.1 us.
class RowSum {
 public:
  static constexpr std::uint32_t group = 8;

  explicit RowSum(std::uint32_t classes)
      : sum_((classes + group - 1) / group * group, 0.0f), marks_(sum_.size() / group / 64 + 1, 0) {}

  /// Classes, up to whole groups.
  std::size_t places() const { return sum_.size(); }
  /// To be said before the first `add` of a row.
  void expect(std::uint64_t additions) { marked_ = additions < sum_.size() / 16; }

  template <typename T>
  void add(const ClassScore<T>* entries, std::uint32_t count, float weight) {
    std::size_t size = size_;  // not a member, that stores of vectors may change
    for (std::uint32_t e = 0; e < count; e += group) {
      append(entries + e, weight, classes_.data() + size, scores_.data() + size);
      size += std::min(count - e, group);
      if (size >= list_size) size = add_list(size);
    }
    size_ = size;
  }

  /// Calls visit(first class, the sums of 8 classes times `scale`) for groups that hold all that is not 0, classes
  /// rising, and starts anew.
  template <typename Visit>
  void take(float scale, const Visit& visit) {
    size_ = add_list(size_);
    if (!marked_) {
      for (std::size_t c = 0; c < sum_.size(); c += group) take_group(c, scale, visit);
      return;
    }
    for (std::size_t m = 0; m < marks_.size(); ++m)
      for (; marks_[m] != 0; marks_[m] &= marks_[m] - 1)
        take_group((m * 64 + static_cast<std::size_t>(std::countr_zero(marks_[m]))) * group, scale, visit);
  }

 private:
  static constexpr std::size_t list_size = 512;

  // Eight entries, those behind a row's end included: they lie in the slab and are overwritten by the next.
  static void append(const ClassScore<Half>* from, float weight, std::uint32_t* classes, float* scores) {
    const __m256i entries = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    const __m256i high = _mm256_srli_epi32(entries, 16);
    const __m128i half = _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(classes), _mm256_and_si256(entries, _mm256_set1_epi32(0xffff)));
    _mm256_storeu_ps(scores, _mm256_mul_ps(_mm256_cvtph_ps(half), _mm256_set1_ps(weight)));
  }
  static void append(const ClassScore<float>* from, float weight, std::uint32_t* classes, float* scores) {
    for (std::uint32_t e = 0; e < group; ++e) {
      classes[e] = from[e].cls;
      scores[e] = from[e].score * weight;
    }
  }

  // Returns the list's size thereafter: 0.
  std::size_t add_list(std::size_t size) {
    float* __restrict sum = sum_.data();
    const std::uint32_t* __restrict classes = classes_.data();
    const float* __restrict scores = scores_.data();
    for (std::size_t e = 0; e < size; ++e) sum[classes[e]] += scores[e];
    if (marked_)
      for (std::size_t e = 0; e < size; ++e)
        marks_[classes[e] / group / 64] |= std::uint64_t{1} << (classes[e] / group % 64);
    return 0;
  }

  template <typename Visit>
  void take_group(std::size_t first, float scale, const Visit& visit) {
    const __m256 scores = _mm256_mul_ps(_mm256_loadu_ps(sum_.data() + first), _mm256_set1_ps(scale));
    _mm256_storeu_ps(sum_.data() + first, _mm256_setzero_ps());
    visit(static_cast<std::uint32_t>(first), scores);
  }

  std::vector<float> sum_;
  std::vector<std::uint64_t> marks_;
  bool marked_ = false;
  std::array<std::uint32_t, list_size + group> classes_;
  std::array<float, list_size + group> scores_;
  std::size_t size_ = 0;
};

/// What is added for one row: the entries of the neighbours that have any.
template <typename T>
class Terms {
 public:
  /// Asks for what `collect` reads.
  static void prefetch(const GraphView& graph, const SparseScores<T>& u, std::size_t i) {
    for (const std::uint32_t edge : graph.row(i))
      if (u.holds(edge_node(edge))) __builtin_prefetch(&u.rows[edge_node(edge)]);
  }
  /// Asks for what `add_to` reads.
  void collect(const GraphView& graph, const SparseScores<T>& u, std::size_t i) {
    constexpr std::size_t line = 64 / sizeof(ClassScore<T>);
    const auto edges = graph.row(i);
    if (terms_.size() < edges.size()) terms_.resize(edges.size());
    size_ = 0;
    additions_ = 0;
    for (const std::uint32_t edge : edges) {
      if (!u.holds(edge_node(edge))) continue;
      const auto& row = u.rows[edge_node(edge)];
      terms_[size_] = {row.begin, row.count, static_cast<float>(edge_weight(edge))};
      size_ += row.count != 0;
      additions_ += row.count;
      for (std::size_t e = 0; e < row.count; e += line) __builtin_prefetch(row.begin + e);
    }
  }
  std::uint64_t additions() const { return additions_; }
  void add_to(RowSum& sum) const {
    sum.expect(additions_);
    for (std::size_t e = 0; e < size_; ++e) sum.add(terms_[e].begin, terms_[e].count, terms_[e].weight);
  }

 private:
  struct Term {
    const ClassScore<T>* begin;
    std::uint32_t count;
    float weight;
  };
  std::vector<Term> terms_;
  std::size_t size_ = 0;
  std::uint64_t additions_ = 0;
};

/// Adds up the listed rows of B U in turn and calls done(r) when `sum` holds row rows[r]; not for rows without
/// additions.
template <typename T, typename Done>
void sum_rows(const GraphView& graph, const SparseScores<T>& u, std::span<const std::uint32_t> rows,
              std::array<Terms<T>, 2>& terms, RowSum& sum, const Done& done) {
  if (rows.empty()) return;
  if (rows.size() > 1) Terms<T>::prefetch(graph, u, rows[1]);
  terms[0].collect(graph, u, rows[0]);
  for (std::size_t r = 0; r < rows.size(); ++r) {
    if (r + 2 < rows.size()) Terms<T>::prefetch(graph, u, rows[r + 2]);
    if (r + 1 < rows.size()) terms[(r + 1) % 2].collect(graph, u, rows[r + 1]);
    const Terms<T>& now = terms[r % 2];
    if (now.additions() == 0) continue;
    now.add_to(sum);
    done(r);
  }
}

}  // namespace lowshot::diffusion
