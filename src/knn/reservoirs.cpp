#include "knn/reservoirs.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "knn/filter.h"

namespace lowshot::knn {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

}  // namespace

// A candidate's place is the number of better ones, counted by whole vectors, without branches to guess. Work grows
// with the square of the length, so long lists are sorted as usual.
void sort_candidates(std::span<Candidate> list) {
  constexpr std::size_t most = 96;
  const std::size_t count = list.size();
  if (count > most) return std::sort(list.begin(), list.end(), std::greater<>());
  Candidate copy[most];
  std::copy(list.begin(), list.end(), copy);
  for (std::size_t i = 0; i < count; ++i) {
    std::uint64_t better = 0;
    for (std::size_t j = 0; j < count; ++j) better += copy[j] > copy[i];
    list[better] = copy[i];
  }
}

// Twice k where k is small; beyond 128 more room would only cost memory.
std::uint32_t Reservoirs::capacity(std::uint32_t k) {
  return (k + std::clamp(k, 16u, 128u) + 7) / 8 * 8;
}

std::uint64_t Reservoirs::memory_with_room(std::uint64_t rows, std::uint32_t most) {
  return rows * (most * sizeof(Candidate) + sizeof(Head) + sizeof(float));
}

Reservoirs::Reservoirs(std::size_t rows, std::uint32_t k, std::uint32_t most)
    : k_(k), spare_((most - k) / 4), lists_(rows, most), heads_(rows), thresholds_(padded(rows), infinity) {
  std::fill_n(thresholds_.begin(), rows, -infinity);
}

Reservoirs::Reservoirs(int threads, const KnnTable& table, std::uint32_t k) : Reservoirs(table.rows(), k) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t i = 0; i < table.rows(); ++i) {
    Head& head = heads_[i];
    for (std::uint32_t j = 0; j < k && table.ids(i, j) != no_node; ++j)
      lists_(i, head.count++) = make_candidate(table.similarities(i, j), table.ids(i, j));
    if (head.count == k) {
      head.least = lists_(i, k - 1);
      thresholds_[i] = similarity_of(head.least);
    }
  }
}

// Candidates of a row are distinct, so some value parts the k best from the rest: bisection finds it, in 8 steps that
// count by whole vectors. A cut in passing may leave `spare` candidates more, which saves steps: what is not above a
// value that k candidates exceed cannot enter anyway. Candidates are kept without a branch.
// 0.2 us for 40 of 56 where std::nth_element, which guesses branches wrong, takes 0.5 (one Zen 5 core); guessing where
// the value would lie if candidates were spread evenly saves no steps.
std::uint32_t Reservoirs::cut(std::size_t row, std::uint32_t count, std::uint32_t spare) {
  Candidate* list = lists_.row(row);
  const auto above = [&](Candidate value) {
    std::uint64_t more = 0;
    for (std::uint32_t j = 0; j < count; ++j) more += list[j] > value;
    return more;
  };
  Candidate low = heads_[row].least, high = 0;  // more than k are above low, none above high
  for (std::uint32_t j = 0; j < count; ++j) high = std::max(high, list[j]);
  while (high - low > 1) {
    const Candidate middle = low + (high - low) / 2;
    const std::uint64_t more = above(middle);
    (more >= k_ ? low : high) = middle;
    if (more >= k_ && more <= k_ + spare) break;
  }
  std::uint32_t kept = 0;
  for (std::uint32_t j = 0; j < count; ++j) {  // without a branch: which candidates stay cannot be guessed
    const Candidate c = list[j];
    list[kept] = c;
    kept += static_cast<std::uint32_t>(c > low);
  }
  Candidate least = ~Candidate{0};
  for (std::uint32_t j = 0; j < kept; ++j) least = std::min(least, list[j]);
  if (kept != k_) least = low;
  std::atomic_ref(heads_[row].least).store(least, std::memory_order_relaxed);
  std::atomic_ref(thresholds_[row]).store(similarity_of(least), std::memory_order_relaxed);
  return kept;
}

void Reservoirs::finish(int threads, KnnTable& table, std::size_t first_table_row) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t i = 0; i < rows(); ++i) {
    const std::size_t count = best(i).size();
    Candidate* list = lists_.row(i);
    sort_candidates({list, count});
    NodeId* ids = table.ids.row(first_table_row + i);
    float* similarities = table.similarities.row(first_table_row + i);
    for (std::uint32_t j = 0; j < k_; ++j) {
      const bool present = j < count;
      ids[j] = present ? id_of(list[j]) : no_node;
      similarities[j] = present ? similarity_of(list[j]) : -infinity;
    }
  }
}

}  // namespace lowshot::knn
