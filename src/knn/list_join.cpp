#include "knn/list_join.h"

#include <omp.h>

#include <algorithm>
#include <limits>
#include <numeric>
#include <utility>

#include "knn/best_scores.h"
#include "knn/gathered_rows.h"

namespace lowshot::knn {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr std::uint32_t chunk_rows =
    144;                            // visitors of a tile, whole steps of all kernels: 36 KiB of codes at 256 dimensions
constexpr std::uint32_t spare = 4;  // candidates beyond those kept that are taken so that fewer levels are tried
constexpr std::uint32_t own_rows = 48;  // rows scored against all members of their list: 48 KiB of scores, as a rule
// Two lists are compared whole from this many comparisons by visits on, as a share of all between them. A pair of rows
// of which each visits the other's list is compared twice by visits (a fifth of all comparisons at 1M rows); visitors
// must also be gathered, and asked whether the pair has met. Time of the join's kernels at 1M x 256, recall .95: by
// visits alone 16.0 s of a core; with 1 / .8 / .6 / .4 of them 14.5, 14.1, 13.6, 14.1.
constexpr double whole_share = 0.6;

// The members of one list as columns.
class Members {
 public:
  Members(const FilterRows& codes, std::span<const std::uint32_t> first, std::int32_t offset)
      : codes_(codes), first_(first), offset_(offset) {
    std::uint32_t longest = 0;
    for (std::size_t l = 0; l + 1 < first.size(); ++l) longest = std::max(longest, first[l + 1] - first[l]);
    const std::uint32_t columns = padded(longest);
    panels_ = Matrix<std::uint8_t>(columns / panel_width, std::size_t{codes.code_bytes} * panel_width);
    closed_.assign(columns, infinity);
    threshold_ = closed_, scale_.assign(columns, 0), bound_.assign(columns, 0);
  }

  std::uint32_t most() const { return static_cast<std::uint32_t>(closed_.size()); }
  std::uint32_t begin() const { return begin_; }
  std::uint32_t count() const { return count_; }

  void load(std::uint32_t list) {
    begin_ = first_[list];
    count_ = first_[list + 1] - begin_;
    if (count_ == 0) return;
    pack_panels(codes_.rows.row(begin_), count_, codes_.code_bytes, offset_, panels_.data());
    std::copy_n(codes_.scale.begin() + begin_, count_, scale_.begin());
    std::copy_n(codes_.bound.begin() + begin_, count_, bound_.begin());
    std::fill(bound_.begin() + count_, bound_.end(), -infinity);
  }

  // Columns first .. end-1 (first: of a panel), with the thresholds they have now, or closed.
  void put_into(FilterTile& tile, std::uint32_t first, std::uint32_t end, const Reservoirs* lists) {
    for (std::uint32_t j = first; lists != nullptr && j < end; ++j) threshold_[j] = lists->threshold(begin_ + j);
    tile.panels = panels_.row(first / panel_width);
    tile.col_scale = scale_.data() + first;
    tile.col_bound = bound_.data() + first;
    tile.col_threshold = lists != nullptr ? threshold_.data() + first : closed_.data();
    tile.col_count = end - first;
  }

 private:
  const FilterRows& codes_;
  std::span<const std::uint32_t> first_;
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

// work(list, members, gathered) for every list, or block of rows first[list] .. of `codes`. Members are to be loaded.
template <typename Work>
void each_list(int threads, const FilterBackend& backend, const FilterRows& codes, std::span<const std::uint32_t> first,
               const Work& work) {
#pragma omp parallel num_threads(threads)
  {
    Members members(codes, first, backend.offset);
    GatheredRows gathered(chunk_rows, codes.code_bytes, members.most());
#pragma omp for schedule(dynamic, 1)
    for (std::uint32_t list = 0; list < first.size() - 1; ++list) work(list, members, gathered);
  }
}

std::vector<std::uint32_t> places_of(const ListedRows& rows, std::uint32_t list) {
  std::vector<std::uint32_t> places(rows.first[list + 1] - rows.first[list]);
  std::iota(places.begin(), places.end(), rows.first[list]);
  return places;
}

// Column of `list` among the probes of a row, or `none`.
std::uint32_t rank_of(std::uint32_t list, const std::uint32_t* probes, std::uint32_t count, std::uint32_t none) {
  std::uint32_t rank = none;
#pragma omp simd reduction(min : rank)
  for (std::uint32_t r = 0; r < count; ++r) rank = std::min(rank, probes[r] == list ? r : none);
  return rank;
}

// Rows `chunk` of `from` against columns first .. end-1 of the members: take(row, member place, score) for what passes
// the thresholds of `rows_take` or `members_take` (null: they take nothing).
template <typename Take>
void compare(const FilterBackend& backend, GatheredRows& gathered, std::span<const std::uint32_t> chunk,
             Members& members, std::uint32_t first, std::uint32_t end, const Reservoirs* rows_take,
             const Reservoirs* members_take, const Take& take) {
  for (std::size_t i = 0; i < chunk.size(); ++i)
    gathered.threshold(i) = rows_take != nullptr ? rows_take->threshold(chunk[i]) : infinity;
  FilterTile tile = gathered.tile();
  members.put_into(tile, first, end, members_take);
  const FilterHits hits = gathered.hits();
  const std::size_t count = backend.kernel(tile, hits);
  const auto row_of = [&](std::size_t h) { return chunk[hits.pairs[h] >> 16]; };
  constexpr std::size_t ahead = 12;  // pairs whose rows' lists are asked for before their turn
  for (std::size_t h = 0; h < count; ++h) {
    if (rows_take != nullptr && h + ahead < count) rows_take->fetch(row_of(h + ahead));
    if (const std::uint32_t column = hits.pairs[h] & 0xffff; column < tile.col_count)
      take(row_of(h), members.begin() + first + column, hits.scores[h]);
  }
}

// Rows of a list stand by rising id, so old ones come first. Old rows are compared with new members only: from this
// column on, or the panel it lies in.
std::uint32_t first_new_column(const ListedRows& rows, std::uint32_t list, NodeId first_new) {
  const auto begin = rows.row.begin() + rows.first[list], end = rows.row.begin() + rows.first[list + 1];
  const auto column = static_cast<std::uint32_t>(std::lower_bound(begin, end, first_new) - begin);
  return column == end - begin ? column : column / panel_width * panel_width;
}

// Offers a row the best of its scores against members of its own list, `scores` of places first, first + 1, ...: as
// many as a list keeps and a few more, chosen at once, so that no offer is made that falls out again.
void offer_best(const ListedRows& rows, std::uint32_t place, std::uint32_t first, std::span<const float> scores,
                NodeId first_new, Reservoirs& lists) {
  const auto count = static_cast<std::uint32_t>(scores.size());
  const std::uint32_t wanted = lists.kept() + spare;
  const float level = count > wanted ? level_of(scores.data(), count, lists.kept(), spare) : -infinity;
  const bool old = rows.row[place] < first_new;
  each_reaching(scores.data(), count, level, [&](std::uint32_t column) {
    if (scores[column] == -infinity) return;  // padding
    const NodeId id = rows.row[first + column];
    if (!old || id >= first_new) lists.offer(place, scores[column], id);
  });
  if (!old && level > -infinity) lists.raise(place, level);
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

ListPairs close_lists(int threads, const ListedRows& rows, const Matrix<std::uint32_t>& probes) {
  const std::uint32_t lists = rows.lists();
  const auto size = [&](std::uint32_t list) { return std::uint64_t{rows.first[list + 1]} - rows.first[list]; };
  // Visits from each list to others, by rising number.
  struct Count {
    std::uint32_t list, visits;
  };
  std::vector<std::vector<Count>> visits(lists);
#pragma omp parallel num_threads(threads)
  {
    std::vector<std::uint32_t> count(lists, 0), met;
#pragma omp for schedule(dynamic, 16)
    for (std::uint32_t l = 0; l < lists; ++l) {
      for (std::uint32_t place = rows.first[l]; place < rows.first[l + 1]; ++place)
        for (const std::uint32_t other : probes.view().row_span(place))
          if (other < lists && other != l && count[other]++ == 0) met.push_back(other);
      std::sort(met.begin(), met.end());
      visits[l].reserve(met.size());
      for (const std::uint32_t other : met) visits[l].push_back({other, std::exchange(count[other], 0)});
      met.clear();
    }
  }
  const auto visits_to = [&](std::uint32_t from, std::uint32_t to) {
    const auto at = std::lower_bound(visits[from].begin(), visits[from].end(), to,
                                     [](const Count& c, std::uint32_t list) { return c.list < list; });
    return at != visits[from].end() && at->list == to ? at->visits : 0;
  };
  std::vector<std::vector<std::uint32_t>> partners(lists);
  for (std::uint32_t l = 0; l < lists; ++l)
    for (const auto [other, there] : visits[l]) {
      const std::uint64_t back = visits_to(other, l);
      if (back != 0 && other > l) continue;  // the other side sees it
      if (static_cast<double>(there * size(other) + back * size(l)) >
          whole_share * static_cast<double>(size(l) * size(other)))
        partners[l].push_back(other), partners[other].push_back(l);
    }
  ListPairs out;
  out.first.assign(1, 0);
  for (auto& some : partners) {
    std::sort(some.begin(), some.end());
    out.partners.insert(out.partners.end(), some.begin(), some.end());
    out.first.push_back(out.partners.size());
  }
  return out;
}

void drop_visits(int threads, const ListedRows& rows, const ListPairs& pairs, Matrix<std::uint32_t>& probes) {
#pragma omp parallel num_threads(threads)
  {
    std::vector<char> whole(rows.lists(), 0);
#pragma omp for schedule(dynamic, 16)
    for (std::uint32_t l = 0; l < rows.lists(); ++l) {
      for (const std::uint32_t partner : pairs.of(l)) whole[partner] = 1;
      for (std::uint32_t place = rows.first[l]; place < rows.first[l + 1]; ++place)
        for (std::uint32_t& list : probes.view().row_span(place))
          if (list < rows.lists() && whole[list] != 0) list = no_list;
      for (const std::uint32_t partner : pairs.of(l)) whole[partner] = 0;
    }
  }
}

void join_within_lists(Context& context, const ListedRows& rows, NodeId first_new, Reservoirs& lists) {
  const FilterBackend backend = filter_backend(context.isa);
#pragma omp parallel num_threads(context.thread_count())
  {
    Members members(rows.codes, rows.first, backend.offset);
    GatheredRows gathered(own_rows, rows.codes.code_bytes, 0);
    Matrix<float> scores(own_rows, members.most());
#pragma omp for schedule(dynamic, 1)
    for (std::uint32_t list = 0; list < rows.lists(); ++list) {
      members.load(list);
      const std::vector<std::uint32_t> places = places_of(rows, list);
      for (std::size_t begin = 0; begin < places.size(); begin += own_rows) {
        const auto chunk = std::span(places).subspan(begin, std::min<std::size_t>(own_rows, places.size() - begin));
        const std::uint32_t first = rows.row[chunk.back()] < first_new ? first_new_column(rows, list, first_new) : 0;
        if (first == members.count()) continue;
        gathered.load(rows.codes, chunk, true);
        FilterTile tile = gathered.tile();
        members.put_into(tile, first, members.count(), nullptr);
        backend.scores(tile, scores.data(), scores.cols());
        for (std::size_t i = 0; i < chunk.size(); ++i)
          offer_best(rows, chunk[i], members.begin() + first, {scores.row(i), padded(tile.col_count)}, first_new,
                     lists);
      }
    }
  }
}

void join_list_pairs(Context& context, const ListedRows& rows, const ListPairs& pairs, NodeId first_new,
                     Reservoirs& lists) {
  const FilterBackend backend = filter_backend(context.isa);
  each_list(context.thread_count(), backend, rows.codes, rows.first,
            [&](std::uint32_t list, Members& members, GatheredRows& gathered) {
              const auto partners = pairs.of(list);
              if (partners.empty() || partners.front() > list) return;
              members.load(list);
              const std::uint32_t new_column = first_new_column(rows, list, first_new);
              for (const std::uint32_t partner : partners) {
                if (partner > list) break;  // from the other list's side
                in_chunks(places_of(rows, partner), [&](std::span<const std::uint32_t> chunk) {
                  const std::uint32_t first = rows.row[chunk.back()] < first_new ? new_column : 0;
                  if (first == members.count()) return;
                  gathered.load(rows.codes, chunk, true);
                  compare(backend, gathered, chunk, members, first, members.count(), &lists, &lists,
                          [&](std::uint32_t v, std::uint32_t m, float score) {
                            if (rows.row[v] < first_new && rows.row[m] < first_new) return;
                            lists.offer_shared(v, score, rows.row[m]);
                            lists.offer_shared(m, score, rows.row[v]);
                          });
                });
              }
            });
}

void join_visits(Context& context, const ListedRows& rows, const Matrix<std::uint32_t>& probes, std::uint32_t begin,
                 std::uint32_t end, NodeId first_new, Reservoirs& lists) {
  const FilterBackend backend = filter_backend(context.isa);
  const Visits visits = visits_of(probes, begin, end, rows.lists(), rows.list_of);
  std::uint32_t done = 0;
  each_list(context.thread_count(), backend, rows.codes, rows.first,
            [&](std::uint32_t list, Members& members, GatheredRows& gathered) {
              members.load(list);
              std::vector<std::uint32_t> visitors(visits.of(list).begin(), visits.of(list).end());
              const auto old_end = std::stable_partition(visitors.begin(), visitors.end(),
                                                         [&](std::uint32_t v) { return rows.row[v] < first_new; });
              const auto old_count = static_cast<std::size_t>(old_end - visitors.begin());
              const auto meet = [&](std::span<const std::uint32_t> some, std::uint32_t first_column) {
                if (first_column == members.count()) return;
                in_chunks(some, [&](std::span<const std::uint32_t> chunk) {
                  gathered.load(rows.codes, chunk, true);
                  compare(backend, gathered, chunk, members, first_column, members.count(), &lists, &lists,
                          [&](std::uint32_t v, std::uint32_t m, float score) {
                            if (rows.row[v] < first_new && rows.row[m] < first_new) return;
                            // The member may visit the visitor's list: then the pair has met before, or meets in both
                            // now.
                            const std::uint32_t rank = rank_of(rows.list_of[v], probes.row(m), end, end);
                            if (rank < begin || (rank < end && list > rows.list_of[v])) return;
                            lists.offer_shared(v, score, rows.row[m]);
                            lists.offer_shared(m, score, rows.row[v]);
                          });
                });
              };
              meet(std::span(visitors).first(old_count), first_new_column(rows, list, first_new));
              meet(std::span(visitors).subspan(old_count), 0);
              std::uint32_t finished;
#pragma omp atomic capture
              finished = ++done;
              if (omp_get_thread_num() == 0) context.report("k-NN graph", finished, rows.lists(), "lists");
            });
}

void join_visitors(Context& context, const FilterRows& all_members, std::span<const std::uint32_t> first,
                   std::span<const NodeId> ids, const FilterRows& queries, const Visits& visits, Reservoirs& lists) {
  const FilterBackend backend = filter_backend(context.isa);
  each_list(context.thread_count(), backend, all_members, first,
            [&](std::uint32_t block, Members& members, GatheredRows& gathered) {
              const auto visitors = visits.of(block);
              if (visitors.empty()) return;
              members.load(block);
              in_chunks(visitors, [&](std::span<const std::uint32_t> chunk) {
                gathered.load(queries, chunk, true);
                compare(backend, gathered, chunk, members, 0, members.count(), &lists, nullptr,
                        [&](std::uint32_t v, std::uint32_t m, float score) {
                          lists.offer_shared(v, score, ids.empty() ? m : ids[m]);
                        });
              });
            });
}

}  // namespace lowshot::knn
