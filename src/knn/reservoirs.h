#pragma once
// Bounded candidate lists, one a row: what passes the row's threshold is appended; a full list is cut back to its k
// best, which raises the threshold. Cheaper than a heap: an append is two stores, a cut costs about 0.4 us every k
// candidates.

#include <atomic>
#include <bit>
#include <cstdint>
#include <span>
#include <vector>

#include "lowshot/knn_table.h"
#include "lowshot/matrix.h"

namespace lowshot::knn {

/// A candidate as one integer whose order is the table's: greater similarity first, then lower id.
using Candidate = std::uint64_t;

inline Candidate make_candidate(float similarity, NodeId id) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(similarity + 0.0f);  // -0 becomes 0
  const std::uint32_t ordered = bits ^ ((bits >> 31) != 0 ? 0xffffffffu : 0x80000000u);
  return static_cast<Candidate>(ordered) << 32 | static_cast<std::uint32_t>(~id);
}
inline float similarity_of(Candidate c) {
  const std::uint32_t ordered = static_cast<std::uint32_t>(c >> 32);
  return std::bit_cast<float>(ordered ^ ((ordered >> 31) != 0 ? 0x80000000u : 0xffffffffu));
}
inline NodeId id_of(Candidate c) {
  return ~static_cast<std::uint32_t>(c);
}

/// Sorts distinct candidates, the best first.
void sort_candidates(std::span<Candidate> list);

/// Lists of `rows` rows. Different rows may be offered to by different threads at the same time; one row by one thread,
/// or by several through `offer_shared` alone.
class Reservoirs {
 public:
  Reservoirs(std::size_t rows, std::uint32_t k) : Reservoirs(rows, k, capacity(k)) {}
  /// With room for `most` candidates (> k) a row.
  Reservoirs(std::size_t rows, std::uint32_t k, std::uint32_t most);
  /// Starts from the first k columns of a tidy table.
  Reservoirs(int threads, const KnnTable& table, std::uint32_t k);

  void offer(std::size_t row, float similarity, NodeId id) {
    Head& head = heads_[row];
    const Candidate c = make_candidate(similarity, id);
    if (c > head.least) head.count = append(row, head.count, c);
  }
  /// The count is the row's lock, held for some nanoseconds: one exchange takes both. A byte a row of its own was a
  /// cache miss more.
  void offer_shared(std::size_t row, float similarity, NodeId id) {
    Head& head = heads_[row];
    const Candidate c = make_candidate(similarity, id);
    if (c <= std::atomic_ref(head.least).load(std::memory_order_relaxed)) return;  // it only rises
    const std::atomic_ref count(head.count);
    std::uint32_t held;
    while ((held = count.exchange(locked, std::memory_order_acquire)) == locked)
      while (count.load(std::memory_order_relaxed) == locked) __builtin_ia32_pause();
    if (c > head.least) held = append(row, held, c);
    count.store(held, std::memory_order_release);
  }
  /// At least k candidates that were offered to a row reach `level`: others need not be let in.
  void raise(std::size_t row, float level) {
    const Candidate least = make_candidate(level, no_node);
    if (least <= heads_[row].least) return;
    std::atomic_ref(heads_[row].least).store(least, std::memory_order_relaxed);
    std::atomic_ref(thresholds_[row]).store(level, std::memory_order_relaxed);
  }
  /// Similarities that rows must reach to be let in; padded to whole panels with +infinity.
  const float* thresholds() const { return thresholds_.data(); }
  /// The same of one row while another thread may offer to it; it may be too low by then, never too high.
  float threshold(std::size_t row) const {
    return std::atomic_ref(const_cast<float&>(thresholds_[row])).load(std::memory_order_relaxed);
  }
  /// The k best of what was offered to a row, in no order, whatever the order of the offers. More may be offered later.
  std::span<const Candidate> best(std::size_t row) {
    Head& head = heads_[row];
    if (head.count > k_) head.count = cut(row, head.count, 0);
    return {lists_.row(row), head.count};
  }
  /// Asks for what `offer` reads and writes: the end of a list lies between its first k places and its last.
  void fetch(std::size_t row) const {
    __builtin_prefetch(&heads_[row], 1);
    __builtin_prefetch(lists_.row(row) + k_, 1);
    __builtin_prefetch(lists_.row(row) + k_ + 8, 1);
  }
  std::size_t rows() const { return lists_.rows(); }
  std::uint32_t kept() const { return k_; }

  /// Sorted lists of rows begin .. end-1 into rows begin - shift .. of `table`.
  void finish(int threads, KnnTable& table, std::size_t first_table_row = 0);

  static std::uint32_t capacity(std::uint32_t k);
  static std::uint64_t memory(std::uint64_t rows, std::uint32_t k) { return memory_with_room(rows, capacity(k)); }
  static std::uint64_t memory_with_room(std::uint64_t rows, std::uint32_t most);

 private:
  struct Head {
    Candidate least = 0;      ///< the k-th best so far, or a lower bound of it: what does not exceed it cannot enter
    std::uint32_t count = 0;  ///< candidates in the list, or `locked`
  };
  static constexpr std::uint32_t locked = UINT32_MAX;

  std::uint32_t append(std::size_t row, std::uint32_t count, Candidate c) {
    lists_(row, count++) = c;
    return count == lists_.cols() ? cut(row, count, spare_) : count;
  }
  /// Leaves k of `count` candidates, and at most `spare` more; returns how many.
  std::uint32_t cut(std::size_t row, std::uint32_t count, std::uint32_t spare);

  std::uint32_t k_;
  std::uint32_t spare_;  ///< a cut in passing may leave so many more than k
  Matrix<Candidate> lists_;
  std::vector<Head> heads_;
  std::vector<float> thresholds_;
};

}  // namespace lowshot::knn
