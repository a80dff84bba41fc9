#include "diffusion/sparse_scores.h"

#include <immintrin.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "diffusion/mask_places.h"
#include "diffusion/row_sum.h"

namespace lowshot::diffusion {
namespace {

constexpr std::size_t chunk_rows = 1024;  // rows a thread takes at a time; a multiple of 64: no word of marks is shared
constexpr std::size_t slab_bytes = std::size_t{4} << 20;

// Appends the entries of classes first .. first + 7 that are not 0 after rounding; writes up to 8.
ClassScore<Half>* append_group(__m256 scores, std::uint32_t first, ClassScore<Half>* to) {
  const __m256i half = _mm256_cvtepu16_epi32(_mm256_cvtps_ph(scores, _MM_FROUND_TO_NEAREST_INT));
  const __m256i zero = _mm256_cmpeq_epi32(half, _mm256_setzero_si256());
  const unsigned mask = ~static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(zero))) & 0xff;
  const __m256i classes =
      _mm256_add_epi32(_mm256_set1_epi32(static_cast<int>(first)), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  const __m256i entries = _mm256_or_si256(_mm256_slli_epi32(half, 16), classes);
  const __m256i front =
      _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(shuffles.packed[mask].data())));
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm256_permutevar8x32_epi32(entries, front));
  return to + std::popcount(mask);
}

ClassScore<float>* append_group(__m256 scores, std::uint32_t first, ClassScore<float>* to) {
  float group[8];
  _mm256_storeu_ps(group, scores);
  for (std::uint32_t c = 0; c < 8; ++c) {
    *to = {first + c, group[c]};
    to += group[c] != 0;
  }
  return to;
}

// Room for one row after the other, in slabs that all threads put into one result.
template <typename T>
class RowWriter {
 public:
  RowWriter(SparseScores<T>& result, std::uint32_t classes)
      : result_(result),
        longest_row_(classes + RowSum::group),
        slab_size_(std::max(longest_row_, slab_bytes / sizeof(ClassScore<T>))) {}

  ClassScore<T>* begin_row() {
    if (room_ < longest_row_) {
      Array<ClassScore<T>> slab(slab_size_);
      next_ = slab.data();
      room_ = slab_size_;
#pragma omp critical(lowshot_sparse_slabs)
      result_.slabs.push_back(std::move(slab));
    }
    return next_;
  }
  /// The row that was begun ends here; without this, the next one begins where it did.
  void keep_row(ClassScore<T>* end) {
    room_ -= static_cast<std::size_t>(end - next_);
    next_ = end;
  }

 private:
  SparseScores<T>& result_;
  std::size_t longest_row_, slab_size_, room_ = 0;
  ClassScore<T>* next_ = nullptr;
};

}  // namespace

template <typename T>
SparseScores<T> one_hot(int threads, std::span<const std::int32_t> labels) {
  SparseScores<T> u = empty_scores<T>(labels.size());
  std::uint64_t entries = 0;
#pragma omp parallel for num_threads(threads) schedule(static) reduction(+ : entries)
  for (std::size_t w = 0; w < u.occupied.size(); ++w) {
    u.occupied[w] = 0;
    for (std::size_t i = w * 64; i < std::min(labels.size(), (w + 1) * 64); ++i) {
      u.rows[i].count = labels[i] >= 0;
      if (labels[i] < 0) continue;
      u.rows[i].within[0] = {static_cast<decltype(ClassScore<T>::cls)>(labels[i]), as_stored<T>(stored_one<T>)};
      u.occupied[w] |= std::uint64_t{1} << (i % 64);
      ++entries;
    }
  }
  u.entries = u.filled = entries;
  u.longest = entries != 0;
  return u;
}

template <typename T>
StepWork step_work(int threads, const GraphView& graph, const SparseScores<T>& u, const Reach& reach, std::uint32_t t) {
  std::uint64_t rows = 0, edges = 0, additions = 0, next_edges = 0;
#pragma omp parallel for num_threads(threads) schedule(static) reduction(+ : rows, edges, additions, next_edges)
  for (std::size_t i = 0; i < graph.nodes(); ++i) {
    const std::uint64_t degree = graph.offsets[i + 1] - graph.offsets[i];
    additions += degree * u.rows[i].count;  // B is symmetric: a row is read once for each entry of its own
    if (reach.matters(i, t)) edges += degree, ++rows;
    if (reach.matters(i, t + 1)) next_edges += degree;
  }
  const double share = graph.edges() == 0 ? 0 : static_cast<double>(edges) / static_cast<double>(graph.edges());
  return {rows, edges, static_cast<std::uint64_t>(share * static_cast<double>(additions)), next_edges};
}

template <typename T>
std::optional<SparseScores<T>> sparse_step(int threads, const GraphView& graph, const SparseScores<T>& u,
                                           std::uint32_t classes, const Reach& reach, std::uint32_t t,
                                           std::uint64_t most_entries) {
  const std::size_t n = graph.nodes(), chunks = (n + chunk_rows - 1) / chunk_rows;
  SparseScores<T> next = empty_scores<T>(n);
  std::uint64_t filled = 0;
  std::uint32_t longest = 0;
#pragma omp parallel num_threads(threads) reduction(+ : filled) reduction(max : longest)
  {
    RowSum sum(classes);
    RowWriter<T> writer(next, classes);
    std::vector<std::uint32_t> rows;
#pragma omp for schedule(dynamic, 1)
    for (std::size_t c = 0; c < chunks; ++c) {
      // Too much is too much whichever thread finds it: the sum does not depend on who added what.
      if (__atomic_load_n(&next.entries, __ATOMIC_RELAXED) > most_entries) continue;
      rows.clear();
      for (std::size_t i = c * chunk_rows; i < std::min(n, (c + 1) * chunk_rows); ++i) {
        if (i % 64 == 0) next.occupied[i / 64] = 0;
        next.rows[i].count = 0;
        if (reach.matters(i, t)) rows.push_back(static_cast<std::uint32_t>(i));
      }
      std::uint64_t entries = 0;
      sum_rows<T>(graph, u, rows, sum, [&](std::size_t r) {
        const std::size_t i = rows[r];
        ClassScore<T>* begin = writer.begin_row();
        ClassScore<T>* end = begin;
        sum.take(graph.inverse_degree[i],
                 [&](std::uint32_t first, __m256 scores) { end = append_group(scores, first, end); });
        auto& row = next.rows[i];
        row.count = static_cast<std::uint32_t>(end - begin);
        if (row.count <= row.most_within) {
          std::copy(begin, end, row.within);
        } else {
          row.put_elsewhere(begin);
          writer.keep_row(end);
        }
        next.occupied[i / 64] |= std::uint64_t{row.count != 0} << (i % 64);
        entries += row.count;
        filled += row.count != 0;
        longest = std::max(longest, row.count);
      });
      __atomic_fetch_add(&next.entries, entries, __ATOMIC_RELAXED);
    }
  }
  if (next.entries > most_entries) return {};
  next.filled = filled;
  next.longest = longest;
  return next;
}

template <typename T>
void expand(int threads, const SparseScores<T>& u, const Slice& slice, MatrixView<T> dense, const Reach* reach,
            std::uint32_t t) {
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t i = 0; i < dense.rows(); ++i) {
    if (reach != nullptr && !reach->needed(i, t)) continue;
    T* row = dense.row(i);
    std::memset(row, 0, slice.width * sizeof(T));
    const auto entries = u.row(i);
    auto entry = std::lower_bound(entries.begin(), entries.end(), slice.first,
                                  [](const ClassScore<T>& s, std::uint32_t cls) { return s.cls < cls; });
    for (; entry != entries.end() && entry->cls - slice.first < slice.count; ++entry)
      row[entry->cls - slice.first] = entry->score;
  }
}

template SparseScores<float> one_hot(int, std::span<const std::int32_t>);
template SparseScores<Half> one_hot(int, std::span<const std::int32_t>);
template StepWork step_work(int, const GraphView&, const SparseScores<float>&, const Reach&, std::uint32_t);
template StepWork step_work(int, const GraphView&, const SparseScores<Half>&, const Reach&, std::uint32_t);
template std::optional<SparseScores<float>> sparse_step(int, const GraphView&, const SparseScores<float>&,
                                                        std::uint32_t, const Reach&, std::uint32_t, std::uint64_t);
template std::optional<SparseScores<Half>> sparse_step(int, const GraphView&, const SparseScores<Half>&, std::uint32_t,
                                                       const Reach&, std::uint32_t, std::uint64_t);
template void expand(int, const SparseScores<float>&, const Slice&, MatrixView<float>, const Reach*, std::uint32_t);
template void expand(int, const SparseScores<Half>&, const Slice&, MatrixView<Half>, const Reach*, std::uint32_t);

}  // namespace lowshot::diffusion
