#include "knn/reservoirs.h"

#include <algorithm>
#include <functional>
#include <limits>

#include "knn/filter.h"

namespace lowshot::knn {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

std::size_t padded(std::size_t rows) {
  return (rows + panel_width - 1) / panel_width * panel_width;
}

}  // namespace

// Twice k where k is small; beyond 128 more room would only cost memory.
std::uint32_t Reservoirs::capacity(std::uint32_t k) {
  return (k + std::clamp(k, 16u, 128u) + 7) / 8 * 8;
}

std::uint64_t Reservoirs::memory(std::uint64_t rows, std::uint32_t k) {
  return rows * (capacity(k) * sizeof(Candidate) + sizeof(std::uint32_t) + sizeof(Candidate) + sizeof(float));
}

Reservoirs::Reservoirs(std::size_t rows, std::uint32_t k, std::uint32_t most)
    : k_(k), lists_(rows, most), count_(rows, 0), least_(rows, 0), thresholds_(padded(rows), infinity) {
  std::fill_n(thresholds_.begin(), rows, -infinity);
}

Reservoirs::Reservoirs(int threads, const KnnTable& table, std::uint32_t k) : Reservoirs(table.rows(), k) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t i = 0; i < table.rows(); ++i) {
    for (std::uint32_t j = 0; j < k && table.ids(i, j) != no_node; ++j)
      lists_(i, count_[i]++) = make_candidate(table.similarities(i, j), table.ids(i, j));
    if (count_[i] == k) {
      least_[i] = lists_(i, k - 1);
      thresholds_[i] = similarity_of(least_[i]);
    }
  }
}

// Candidates of a row are distinct, so some value parts the k best from the rest: bisection finds it, in 8 steps that
// count by whole vectors. 0.2 us for 40 of 56 where std::nth_element, which guesses branches wrong, takes 0.5 (one Zen
// 5 core); guessing where it would lie if candidates were spread evenly saves no steps.
void Reservoirs::cut(std::size_t row) {
  Candidate* list = lists_.row(row);
  const std::uint32_t count = count_[row];
  const auto above = [&](Candidate value) {
    std::uint64_t more = 0;
    for (std::uint32_t j = 0; j < count; ++j) more += list[j] > value;
    return more;
  };
  Candidate low = least_[row], high = 0;  // more than k are above low, none above high
  for (std::uint32_t j = 0; j < count; ++j) high = std::max(high, list[j]);
  while (high - low > 1) {
    const Candidate middle = low + (high - low) / 2;
    const std::uint64_t more = above(middle);
    (more >= k_ ? low : high) = middle;
    if (more == k_) break;
  }
  std::uint32_t kept = 0;
  Candidate least = ~Candidate{0};
  for (std::uint32_t j = 0; j < count; ++j) {
    const Candidate c = list[j];
    list[kept] = c;
    const bool stays = c > low && kept < k_;
    kept += stays;
    least = stays && c < least ? c : least;
  }
  count_[row] = k_;
  least_[row] = least;
  std::atomic_ref(thresholds_[row]).store(similarity_of(least), std::memory_order_relaxed);
}

void Reservoirs::finish(int threads, KnnTable& table, std::size_t first_table_row) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t i = 0; i < rows(); ++i) {
    if (count_[i] > k_) cut(i);
    Candidate* list = lists_.row(i);
    std::sort(list, list + count_[i], std::greater<>());
    NodeId* ids = table.ids.row(first_table_row + i);
    float* similarities = table.similarities.row(first_table_row + i);
    for (std::uint32_t j = 0; j < k_; ++j) {
      const bool present = j < count_[i];
      ids[j] = present ? id_of(list[j]) : no_node;
      similarities[j] = present ? similarity_of(list[j]) : -infinity;
    }
  }
}

}  // namespace lowshot::knn
