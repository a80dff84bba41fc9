#include "diffusion/first_step.h"

#include <algorithm>
#include <vector>

namespace lowshot::diffusion {
namespace {

// A sum of weights where a row's score will stand.
std::uint32_t weight_of(Half score) {
  return score.bits;
}
std::uint32_t weight_of(float score) {
  return static_cast<std::uint32_t>(score);
}
void put_weight(std::uint32_t weight, Half& score) {
  score.bits = static_cast<std::uint16_t>(weight);
}
void put_weight(std::uint32_t weight, float& score) {
  score = static_cast<float>(weight);
}
template <typename T>
constexpr std::uint32_t most_weight = sizeof(T) == sizeof(Half) ? 0xffff : 1 << 24;

/// What found no place in its row.
struct Told {
  NodeId place;
  std::uint32_t cls, weight;
};

template <typename T>
class Piece {
 public:
  using Row = typename SparseScores<T>::Row;

  Piece(const GraphView& graph, SparseScores<T>& u, std::size_t begin, std::size_t end)
      : graph_(graph), u_(u), begin_(begin), end_(end) {
    for (std::size_t i = begin; i < end; ++i) u.rows[i].count = 0;
  }

  /// The edges of `place` that lead here.
  std::span<const std::uint32_t> edges(std::size_t place) const {
    const auto all = graph_.row(place);
    const auto at = [&](std::size_t node) {
      return std::partition_point(all.begin(), all.end(), [&](std::uint32_t edge) { return edge_node(edge) < node; });
    };
    return {at(begin_), at(end_)};
  }

  void tell(NodeId place, std::uint32_t cls, std::uint32_t weight) {
    Row& row = u_.rows[place];
    for (std::uint32_t e = 0; e < row.count; ++e) {
      if (row.within[e].cls != cls) continue;
      const std::uint32_t sum = weight_of(row.within[e].score) + weight;
      if (sum > most_weight<T>) break;
      put_weight(sum, row.within[e].score);
      return;
    }
    if (row.count == Row::most_within) {
      more_.push_back({place, cls, weight});
      return;
    }
    row.within[row.count].cls = static_cast<decltype(ClassScore<T>::cls)>(cls);
    put_weight(weight, row.within[row.count++].score);
  }

  /// Rows that matter, classes rising, weights made scores; the others empty.
  void finish(const Reach& reach) {
    std::stable_sort(more_.begin(), more_.end(), [](const Told& a, const Told& b) { return a.place < b.place; });
    auto more = more_.begin();
    for (std::size_t i = begin_; i < end_; ++i) {
      Row& row = u_.rows[i];
      const auto of_row = more;
      while (more != more_.end() && more->place == i) ++more;
      if (i % 64 == 0) u_.occupied[i / 64] = 0;
      if (!reach.needed(i, 1)) row.count = 0;
      if (row.count == 0) continue;
      if (of_row != more)
        finish_long(row, {of_row, more}, graph_.inverse_degree[i]);
      else
        finish_short(row, graph_.inverse_degree[i]);
      u_.occupied[i / 64] |= std::uint64_t{row.count != 0} << (i % 64);
      entries_ += row.count;
      filled_ += row.count != 0;
      longest_ = std::max(longest_, row.count);
    }
    if (slab_.empty()) return;
    slab_.resize(slab_.size() + 8);  // as a row is read eight entries at a time
    std::size_t next = 0;
    for (const std::size_t i : long_rows_) {
      u_.rows[i].put_elsewhere(slab_.data() + next);
      next += u_.rows[i].count;
    }
#pragma omp critical(lowshot_first_step)
    u_.slabs.push_back(std::move(slab_));
  }
  void count(SparseScores<T>& u) const {
    u.entries += entries_;
    u.filled += filled_;
    u.longest = std::max(u.longest, longest_);
  }

 private:
  static bool by_class(const ClassScore<T>& a, const ClassScore<T>& b) {
    return a.cls < b.cls;
  }
  // As a step does: the sum, then its scale.
  static T score(std::uint32_t weight, float scale) {
    return as_stored<T>(static_cast<float>(weight) * stored_one<T> * scale);
  }
  static bool is_zero(float value) {
    return value == 0;
  }
  static bool is_zero(Half value) {
    return value.bits == 0;
  }

  static void finish_short(Row& row, float scale) {
    std::sort(row.within, row.within + row.count, by_class);
    std::uint32_t kept = 0;
    for (std::uint32_t e = 0; e < row.count; ++e) {
      row.within[kept] = {row.within[e].cls, score(weight_of(row.within[e].score), scale)};
      kept += !is_zero(row.within[kept].score);
    }
    row.count = kept;
  }

  void finish_long(Row& row, std::span<const Told> more, float scale) {
    std::vector<Told> all(more.begin(), more.end());
    for (std::uint32_t e = 0; e < row.count; ++e) all.push_back({0, row.within[e].cls, weight_of(row.within[e].score)});
    std::sort(all.begin(), all.end(), [](const Told& a, const Told& b) { return a.cls < b.cls; });
    std::vector<ClassScore<T>> entries;
    for (std::size_t e = 0; e < all.size();) {
      std::uint32_t weight = 0;
      const std::uint32_t cls = all[e].cls;
      for (; e < all.size() && all[e].cls == cls; ++e) weight += all[e].weight;
      const ClassScore<T> entry{static_cast<decltype(ClassScore<T>::cls)>(cls), score(weight, scale)};
      if (!is_zero(entry.score)) entries.push_back(entry);
    }
    row.count = static_cast<std::uint32_t>(entries.size());
    if (row.count <= Row::most_within) {
      std::copy(entries.begin(), entries.end(), row.within);
      return;
    }
    slab_.insert(slab_.end(), entries.begin(), entries.end());
    long_rows_.push_back(static_cast<std::size_t>(&row - u_.rows.data()));
  }

  const GraphView& graph_;
  SparseScores<T>& u_;
  std::size_t begin_, end_;
  std::vector<Told> more_;
  Array<ClassScore<T>> slab_;
  std::vector<std::size_t> long_rows_;
  std::uint64_t entries_ = 0, filled_ = 0;
  std::uint32_t longest_ = 0;
};

}  // namespace

std::uint64_t labelled_edges(int threads, const GraphView& graph, std::span<const std::int32_t> labels) {
  std::uint64_t edges = 0;
#pragma omp parallel for num_threads(threads) schedule(static) reduction(+ : edges)
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] >= 0) edges += graph.row(i).size();
  return edges;
}

template <typename T>
SparseScores<T> first_step(int threads, const GraphView& graph, std::span<const std::int32_t> labels,
                           const Reach& reach) {
  const std::size_t n = graph.nodes();
  SparseScores<T> u = empty_scores<T>(n);
  std::vector<std::uint32_t> labelled;
  for (std::size_t i = 0; i < n; ++i)
    if (labels[i] >= 0) labelled.push_back(static_cast<std::uint32_t>(i));
  // A piece of places a thread: each looks up the edges that lead to its own.
  const std::size_t words = (n + 63) / 64, pieces = static_cast<std::size_t>(threads);
#pragma omp parallel for num_threads(threads) schedule(static, 1)
  for (std::size_t p = 0; p < pieces; ++p) {
    Piece<T> piece(graph, u, std::min(n, words * p / pieces * 64), std::min(n, words * (p + 1) / pieces * 64));
    auto next = labelled.empty() ? std::span<const std::uint32_t>() : piece.edges(labelled[0]);
    for (std::size_t l = 0; l < labelled.size(); ++l) {
      const auto now = next;
      if (l + 1 < labelled.size()) {
        next = piece.edges(labelled[l + 1]);
        for (const std::uint32_t edge : next) __builtin_prefetch(&u.rows[edge_node(edge)]);
      }
      for (const std::uint32_t edge : now)
        piece.tell(edge_node(edge), static_cast<std::uint32_t>(labels[labelled[l]]), edge_weight(edge));
    }
    piece.finish(reach);
#pragma omp critical(lowshot_first_step)
    piece.count(u);
  }
  return u;
}

template SparseScores<float> first_step(int, const GraphView&, std::span<const std::int32_t>, const Reach&);
template SparseScores<Half> first_step(int, const GraphView&, std::span<const std::int32_t>, const Reach&);

}  // namespace lowshot::diffusion
