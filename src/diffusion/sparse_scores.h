#pragma once
// U_t while it is sparse: after one step a row holds one to three classes, whatever the number of classes.

#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "core/half.h"
#include "diffusion/reach.h"
#include "diffusion/slices.h"
#include "lowshot/graph.h"
#include "lowshot/matrix.h"

namespace lowshot::diffusion {

/// A score rounded to what is stored.
template <typename T>
T as_stored(float score) {
  if constexpr (std::is_same_v<T, Half>)
    return to_half(score);
  else
    return score;
}

/// One entry; `score` is a stored value (stored_one<T>).
template <typename T>
struct ClassScore {
  std::uint32_t cls;
  T score;
};
template <>
struct ClassScore<Half> {
  std::uint16_t cls;
  Half score;
};
/// Half the memory only for as many classes as fit.
template <typename T>
inline constexpr std::uint64_t most_classes = std::numeric_limits<decltype(ClassScore<T>::cls)>::max() + std::uint64_t{
                                                                                                             1};

/// Rows of entries, classes rising, scores positive. Half a cache line a row: few entries lie in it, so that a gather
/// meets one line that can be asked for in time; more lie in slabs, in no order.
template <typename T>
struct SparseScores {
  struct alignas(32) Row {
    static constexpr std::uint32_t most_within = 28 / sizeof(ClassScore<T>);
    ClassScore<T> within[most_within];  ///< or the bytes of a pointer
    std::uint32_t count;

    const ClassScore<T>* begin() const { return count <= most_within ? within : elsewhere(); }
    const ClassScore<T>* elsewhere() const {
      const ClassScore<T>* entries;
      std::memcpy(&entries, within, sizeof(entries));
      return entries;
    }
    void put_elsewhere(const ClassScore<T>* entries) {
      std::memcpy(static_cast<void*>(within), &entries, sizeof(entries));
    }
  };
  static_assert(sizeof(Row) == 32);
  Array<Row> rows;                ///< and one more, which is read but not used
  Array<std::uint64_t> occupied;  ///< bit i: row i is not empty. 125 KB a million rows, so that it stays in L2
  std::vector<Array<ClassScore<T>>> slabs;
  std::uint64_t entries = 0, filled = 0;  ///< entries; rows that hold any
  std::uint32_t longest = 0;              ///< most entries of a row

  std::span<const ClassScore<T>> row(std::size_t i) const { return {rows[i].begin(), rows[i].count}; }
  bool holds(std::size_t i) const { return (occupied[i / 64] >> (i % 64) & 1) != 0; }
};

/// Room for the rows of as many places; what is in them is not said yet.
template <typename T>
SparseScores<T> empty_scores(std::size_t places) {
  SparseScores<T> u;
  u.rows.resize(places + 1);
  u.rows[places].count = 0;
  u.occupied.resize((places + 63) / 64);
  return u;
}

/// U_0: one entry of 1 for each labelled place.
template <typename T>
SparseScores<T> one_hot(int threads, std::span<const std::int32_t> labels);

/// What a step costs: the rows it works on, their edges, and additions (the neighbours' entries over those edges,
/// estimated from those over all edges). And the edges of the rows that the step after it works on.
struct StepWork {
  std::uint64_t rows = 0, edges = 0, additions = 0, next_edges = 0;
};
template <typename T>
StepWork step_work(int threads, const GraphView& graph, const SparseScores<T>& u, const Reach& reach, std::uint32_t t);

/// U_t <- D^-1 B U_{t-1} for the rows that matter; the others become empty. Sums in edge order, rounded once at the
/// end, as the dense step does. Nothing when it would hold more than `most_entries`.
template <typename T>
std::optional<SparseScores<T>> sparse_step(int threads, const GraphView& graph, const SparseScores<T>& u,
                                           std::uint32_t classes, const Reach& reach, std::uint32_t t,
                                           std::uint64_t most_entries);

/// Writes a slice of the rows that are needed after step t (all without `reach`) into `dense` (places x slice.width, 0
/// behind the slice's classes).
template <typename T>
void expand(int threads, const SparseScores<T>& u, const Slice& slice, MatrixView<T> dense, const Reach* reach,
            std::uint32_t t);

}  // namespace lowshot::diffusion
