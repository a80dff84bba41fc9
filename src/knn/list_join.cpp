#include "knn/list_join.h"

#include <omp.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <numeric>

#include "knn/gathered_rows.h"

namespace lowshot::knn {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr std::uint32_t chunk_rows = 128;  // visitors of a tile: 32 KiB of codes at 256 dimensions

// One bit of ownership a row, so that two threads may offer to the same list. Held for some nanoseconds.
class RowLocks {
 public:
  explicit RowLocks(std::size_t rows) : taken_(rows, 0) {}

  class Guard {
   public:
    explicit Guard(std::uint8_t& taken) : taken_(taken) {
      while (taken_.exchange(1, std::memory_order_acquire) != 0)
        while (taken_.load(std::memory_order_relaxed) != 0) __builtin_ia32_pause();
    }
    ~Guard() { taken_.store(0, std::memory_order_release); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

   private:
    std::atomic_ref<std::uint8_t> taken_;
  };
  Guard hold(std::size_t row) { return Guard(taken_[row]); }

 private:
  std::vector<std::uint8_t> taken_;
};

// The members of one list as columns.
class Members {
 public:
  Members(const ListedRows& rows, std::int32_t offset)
      : rows_(rows), offset_(offset), panels_(0, 0), closed_() {
    std::uint32_t longest = 0;
    for (std::uint32_t l = 0; l < rows.lists(); ++l) longest = std::max(longest, rows.first[l + 1] - rows.first[l]);
    const std::uint32_t padded = (longest + panel_width - 1) / panel_width * panel_width;
    panels_ = Matrix<std::uint8_t>(padded / panel_width, std::size_t{rows.codes.code_bytes} * panel_width);
    closed_.assign(padded, infinity);
    threshold_ = closed_, scale_.assign(padded, 0), bound_.assign(padded, 0);
  }

  std::uint32_t most() const { return static_cast<std::uint32_t>(closed_.size()); }
  std::uint32_t begin() const { return begin_; }
  std::uint32_t count() const { return count_; }

  void load(std::uint32_t list) {
    begin_ = rows_.first[list];
    count_ = rows_.first[list + 1] - begin_;
    pack_panels(rows_.codes.rows.row(begin_), count_, rows_.codes.code_bytes, offset_, panels_.data());
    std::copy_n(rows_.codes.scale.begin() + begin_, count_, scale_.begin());
    std::copy_n(rows_.codes.bound.begin() + begin_, count_, bound_.begin());
  }

  // Columns from panel `panel` on, with the thresholds they have now, or closed.
  void put_into(FilterTile& tile, std::uint32_t panel, const Reservoirs* lists) {
    const std::uint32_t first = panel * panel_width;
    for (std::uint32_t j = first; lists != nullptr && j < count_; ++j) threshold_[j] = lists->threshold(begin_ + j);
    tile.panels = panels_.row(panel);
    tile.col_scale = scale_.data() + first;
    tile.col_bound = bound_.data() + first;
    tile.col_threshold = lists != nullptr ? threshold_.data() + first : closed_.data();
    tile.col_count = count_ - first;
  }

 private:
  const ListedRows& rows_;
  std::int32_t offset_;
  std::uint32_t begin_ = 0, count_ = 0;
  Matrix<std::uint8_t> panels_;
  std::vector<float> closed_, threshold_, scale_, bound_;
};

// Calls visit(chunk) for pieces of at most chunk_rows.
template <typename Visit>
void in_chunks(std::span<const std::uint32_t> rows, const Visit& visit) {
  for (std::size_t begin = 0; begin < rows.size(); begin += chunk_rows)
    visit(rows.subspan(begin, std::min<std::size_t>(chunk_rows, rows.size() - begin)));
}

// Column of `list` among the probes of a row, or `none`.
std::uint32_t rank_of(std::uint32_t list, const std::uint32_t* probes, std::uint32_t count, std::uint32_t none) {
  std::uint32_t rank = none;
  for (std::uint32_t r = 0; r < count; ++r) rank = probes[r] == list ? r : rank;
  return rank;
}

}  // namespace

Visits visits_of(const Matrix<std::uint32_t>& probes, std::uint32_t begin, std::uint32_t end, std::uint32_t lists,
                 std::span<const std::uint32_t> home) {
  Visits visits;
  visits.first.assign(lists + 1, 0);
  const auto each = [&](const auto& visit) {
    for (std::size_t i = 0; i < probes.rows(); ++i)
      for (std::uint32_t r = begin; r < end; ++r)
        if (const std::uint32_t list = probes(i, r); list < lists && (home.empty() || list != home[i]))
          visit(list, static_cast<std::uint32_t>(i));
  };
  each([&](std::uint32_t list, std::uint32_t) { ++visits.first[list + 1]; });
  std::partial_sum(visits.first.begin(), visits.first.end(), visits.first.begin());
  visits.visitors.resize(visits.first.back());
  std::vector<std::uint64_t> next(visits.first.begin(), visits.first.end() - 1);
  each([&](std::uint32_t list, std::uint32_t i) { visits.visitors[next[list]++] = i; });
  return visits;
}

void join_all(Context& context, const ListedRows& rows, const Matrix<std::uint32_t>& probes, std::uint32_t begin,
              std::uint32_t end, NodeId first_new, Reservoirs& lists) {
  const FilterBackend backend = filter_backend(context.isa);
  const Visits visits = visits_of(probes, begin, end, rows.lists(), rows.list_of);
  RowLocks locks(rows.row.size());
  const auto offer = [&](std::uint32_t place, std::uint32_t other, float score) {
    if (score < lists.threshold(place)) return;
    const auto guard = locks.hold(place);
    lists.offer(place, score, rows.row[other]);
  };
  std::uint32_t done = 0;
#pragma omp parallel num_threads(context.thread_count())
  {
    Members members(rows, backend.offset);
    GatheredRows visitors(chunk_rows, rows.codes.code_bytes, members.most());
    std::vector<std::uint32_t> own;
    // takes(visitor, member): whether the pair is to be offered.
    const auto compare = [&](std::span<const std::uint32_t> chunk, std::uint32_t panel, const auto& takes) {
      visitors.load(rows.codes, chunk, true);
      for (std::size_t i = 0; i < chunk.size(); ++i) visitors.threshold(i) = lists.threshold(chunk[i]);
      FilterTile tile = visitors.tile();
      members.put_into(tile, panel, &lists);
      const FilterHits hits = visitors.hits();
      const std::size_t count = backend.kernel(tile, hits);
      for (std::size_t h = 0; h < count; ++h) {
        const std::uint32_t column = hits.pairs[h] & 0xffff;
        if (column >= tile.col_count) continue;
        const std::uint32_t v = chunk[hits.pairs[h] >> 16], m = members.begin() + panel * panel_width + column;
        if ((rows.row[v] < first_new && rows.row[m] < first_new) || !takes(v, m)) continue;
        offer(v, m, hits.scores[h]);
        if (v != m) offer(m, v, hits.scores[h]);
      }
    };
#pragma omp for schedule(dynamic, 1)
    for (std::uint32_t list = 0; list < rows.lists(); ++list) {
      members.load(list);
      if (begin == 0) {
        own.resize(members.count());
        std::iota(own.begin(), own.end(), members.begin());
        in_chunks(own, [&](std::span<const std::uint32_t> chunk) {
          compare(chunk, (chunk[0] - members.begin()) / panel_width,
                  [](std::uint32_t v, std::uint32_t m) { return v <= m; });
        });
      }
      const auto visiting = std::span(visits.visitors).subspan(visits.first[list], visits.first[list + 1] - visits.first[list]);
      in_chunks(visiting, [&](std::span<const std::uint32_t> chunk) {
        compare(chunk, 0, [&](std::uint32_t v, std::uint32_t m) {
          // The member may visit the visitor's list: then the pair has met before, or meets in both lists now.
          const std::uint32_t rank = rank_of(rows.list_of[v], probes.row(m), end, end);
          return rank == end || (rank >= begin && list < rows.list_of[v]);
        });
      });
      std::uint32_t finished;
#pragma omp atomic capture
      finished = ++done;
      if (omp_get_thread_num() == 0) context.report("k-NN graph", finished, rows.lists(), "lists");
    }
  }
}

void join_visitors(Context& context, const ListedRows& rows, const FilterRows& queries, const Visits& visits,
                   Reservoirs& lists) {
  const FilterBackend backend = filter_backend(context.isa);
  RowLocks locks(lists.rows());
#pragma omp parallel num_threads(context.thread_count())
  {
    Members members(rows, backend.offset);
    GatheredRows visitors(chunk_rows, rows.codes.code_bytes, members.most());
#pragma omp for schedule(dynamic, 1)
    for (std::uint32_t list = 0; list < rows.lists(); ++list) {
      const auto visiting = std::span(visits.visitors).subspan(visits.first[list], visits.first[list + 1] - visits.first[list]);
      if (visiting.empty()) continue;
      members.load(list);
      in_chunks(visiting, [&](std::span<const std::uint32_t> chunk) {
        visitors.load(queries, chunk, true);
        for (std::size_t i = 0; i < chunk.size(); ++i) visitors.threshold(i) = lists.threshold(chunk[i]);
        FilterTile tile = visitors.tile();
        members.put_into(tile, 0, nullptr);
        const FilterHits hits = visitors.hits();
        const std::size_t count = backend.kernel(tile, hits);
        for (std::size_t h = 0; h < count; ++h) {
          const std::uint32_t column = hits.pairs[h] & 0xffff, v = chunk[hits.pairs[h] >> 16];
          if (column >= tile.col_count || hits.scores[h] < lists.threshold(v)) continue;
          const auto guard = locks.hold(v);
          lists.offer(v, hits.scores[h], rows.row[members.begin() + column]);
        }
      });
    }
  }
}

}  // namespace lowshot::knn
