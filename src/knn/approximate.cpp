#include "knn/approximate.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "knn/centroids.h"
#include "knn/filter_rows.h"
#include "knn/list_join.h"
#include "knn/listed_rows.h"
#include "knn/recall_sample.h"
#include "knn/rescore.h"
#include "lowshot/node_order.h"

namespace lowshot::knn {
namespace {

constexpr std::uint32_t usual_list_rows = 256, usual_sample = 1000, first_probes = 128;
constexpr std::uint32_t room = 24;      // candidates beyond those kept, between two cuts
constexpr double filter_loss = 0.001;   // recall that 8-bit scores cost beside the pairs that never meet

std::uint32_t value_or(std::uint32_t value, std::uint32_t usual) {
  return value != 0 ? value : usual;
}

FilterRows estimate_codes(Context& context, const DescriptorView& x, const FilterSpace& space, Metric metric) {
  return make_filter_rows(context.thread_count(), x, space, metric, filter_backend(context.isa), true, false,
                          FilterBound::estimate);
}

std::vector<std::uint32_t> all_of(std::size_t count) {
  std::vector<std::uint32_t> rows(count);
  std::iota(rows.begin(), rows.end(), 0u);
  return rows;
}

std::vector<std::uint32_t> evenly_spaced(std::size_t rows, std::uint32_t size) {
  std::vector<std::uint32_t> some(std::min<std::size_t>(rows, size));
  for (std::size_t s = 0; s < some.size(); ++s) some[s] = static_cast<std::uint32_t>(s * rows / some.size());
  return some;
}

std::vector<std::uint32_t> places_of(const ListedRows& listed) {
  std::vector<std::uint32_t> place(listed.row.size());
  for (std::uint32_t p = 0; p < place.size(); ++p) place[listed.row[p]] = p;
  return place;
}

// What is searched: rows, their lists, and where each row stands.
struct Listing {
  StackedRows x;
  Metric metric;
  FilterSpace space;
  ListCentroids centroids;
  ListedRows rows;
  std::vector<std::uint32_t> place_of;

  Matrix<std::uint32_t> nearest(Context& context, const FilterRows& codes, std::span<const std::uint32_t> some,
                                std::uint32_t probes) const {
    return nearest_listed(context, codes, some, metric, centroids, rows, probes);
  }
};

Listing make_listing(Context& context, const StackedRows& x, const KnnOptions& options) {
  Listing out{x, options.metric, {}, {}, {}, {}};
  const std::uint32_t list_rows = value_or(options.effort.list_rows, usual_list_rows);
  FilterRows codes = [&] {
    Phase phase(context, "k-NN: 8-bit codes");
    // The queries need not be near the rows: their codes are as fine around the rows' mean, only their norms count.
    out.space = make_filter_space(context.thread_count(), x.first, x.second);
    return stack_rows(estimate_codes(context, x.first, out.space, options.metric),
                      estimate_codes(context, x.second, out.space, options.metric));
  }();
  Phase phase(context, "k-NN: lists");
  out.centroids = train_lists(context, codes, options.metric, list_rows);
  out.rows = sort_by_list(context, std::move(codes), options.metric, out.centroids, list_rows);
  out.place_of = places_of(out.rows);
  return out;
}

// How many lists must be visited until the sample's rows meet their true neighbours. Members meet in either's list.
std::vector<std::uint32_t> meeting_ranks(Context& context, const RecallSample& sample, const FilterRows& codes,
                                         const Listing& listing, std::uint32_t most) {
  const auto place = [&](NodeId id) { return listing.place_of[id]; };
  const Matrix<std::uint32_t> own = listing.nearest(context, codes, all_of(codes.count), most);
  std::unordered_map<std::uint32_t, std::size_t> index;
  std::vector<std::uint32_t> neighbours;
  for (std::size_t e = 0; sample.among_members && e < sample.truth.ids.size(); ++e)
    if (const NodeId id = sample.truth.ids.data()[e]; id != no_node)
      if (index.emplace(place(id), neighbours.size()).second) neighbours.push_back(place(id));
  const Matrix<std::uint32_t> theirs = listing.nearest(context, listing.rows.codes, neighbours, most);
  const auto rank_of = [&](const std::uint32_t* lists, std::uint32_t list) {
    return static_cast<std::uint32_t>(std::find(lists, lists + most, list) - lists) + 1;
  };
  std::vector<std::uint32_t> ranks;
  for (std::size_t s = 0; s < sample.rows.size(); ++s)
    for (const NodeId id : sample.truth.ids.view().row_span(s)) {
      if (id == no_node || (sample.among_members && id == sample.rows[s])) continue;
      const std::uint32_t list = listing.rows.list_of[place(id)];
      std::uint32_t rank = rank_of(own.row(s), list);
      if (sample.among_members) {
        const std::uint32_t home = listing.rows.list_of[listing.place_of[sample.rows[s]]];
        rank = home == list ? 1 : std::min(rank, rank_of(theirs.row(index.at(place(id))), home));
      }
      ranks.push_back(rank);
    }
  return ranks;
}

struct Effort {
  RecallSample sample;
  std::uint32_t probes;
};

// The sample's true neighbours, and the fewest lists with which the wanted share of them meets.
Effort choose_effort(Context& context, const StackedRows& queries, const FilterRows& codes,
                     std::vector<std::uint32_t> rows, bool among_members, const Listing& listing,
                     const KnnOptions& options) {
  Phase phase(context, "k-NN: sample");
  Effort out{sample_truth(context, queries, std::move(rows), codes, listing.x, listing.rows,
                          among_members, options.metric, options.k),
             options.effort.probes};
  const std::uint32_t lists = listing.rows.lists();
  for (std::uint32_t most = std::min(lists, first_probes); out.probes == 0; most = std::min(lists, 4 * most)) {
    const std::uint32_t probes = probes_for(std::min(1.0, options.recall + filter_loss),
                                            meeting_ranks(context, out.sample, codes, listing, most));
    if (probes <= most || most == lists) out.probes = probes;
  }
  out.probes = std::min(out.probes, lists);
  return out;
}

// The lists of `before`, then those of `ranked` that are not among them: visits that were made keep their columns.
Matrix<std::uint32_t> continue_probes(const Matrix<std::uint32_t>& before, Matrix<std::uint32_t>&& ranked) {
  const std::size_t old = before.cols(), probes = ranked.cols();
  std::vector<std::uint32_t> row(probes);
  for (std::size_t i = 0; i < before.rows(); ++i) {
    const auto visited = before.view().row_span(i);
    std::copy(visited.begin(), visited.end(), row.begin());
    std::size_t filled = old;
    for (std::size_t r = 0; r < probes && filled < probes; ++r)
      if (std::find(visited.begin(), visited.end(), ranked(i, r)) == visited.end()) row[filled++] = ranked(i, r);
    std::fill(row.begin() + static_cast<std::ptrdiff_t>(filled), row.end(), no_list);
    std::copy(row.begin(), row.end(), ranked.row(i));
  }
  return std::move(ranked);
}

std::uint32_t more_probes(std::uint32_t probes, std::uint32_t lists) {
  return std::min(lists, probes + std::max(1u, probes / 4));
}

// join(begin, end) visits lists begin .. end-1 of each row; rescore() makes the table of what was found.
template <typename Join, typename Rescore>
KnnTable join_until(Context& context, const KnnOptions& options, const Effort& effort, std::uint32_t lists,
                    KnnReport& report, const Join& join, const Rescore& rescore_all) {
  report.method = KnnMethod::join;
  report.lists = lists;
  std::uint32_t begin = 0;
  for (report.probes = effort.probes;; report.probes = more_probes(report.probes, lists)) {
    {
      Phase phase(context, "k-NN: join");
      join(begin, report.probes);
    }
    Phase phase(context, "k-NN: float32 scores");
    KnnTable table = rescore_all();
    report.recall = recall_of(effort.sample, table);
    if (options.effort.probes != 0 || report.recall >= options.recall || report.probes == lists) return table;
    context.detail(fmt::format("recall {:.4f} with {} of {} lists a row: going on", report.recall, report.probes, lists));
    begin = report.probes;
  }
}

}  // namespace

KnnTable extend_by_join(Context& context, const KnnTable& table, const DescriptorView& x_old,
                        const DescriptorView& x_new, const KnnOptions& options, KnnReport& report) {
  const std::uint32_t k = options.k;
  const StackedRows x{x_old, x_new};
  Listing listing = make_listing(context, x, options);
  const ListedRows& rows = listing.rows;
  const Effort effort = [&] {
    std::vector<std::uint32_t> some = evenly_spaced(x.rows(), value_or(options.effort.sample, usual_sample)), places;
    for (const std::uint32_t row : some) places.push_back(listing.place_of[row]);
    const FilterRows codes = take_rows(1, rows.codes, places);
    return choose_effort(context, x, codes, std::move(some), true, listing, options);
  }();

  Reservoirs lists(x.rows(), kept_candidates(k), kept_candidates(k) + room);
  for (std::size_t i = 0; i < table.rows(); ++i)
    for (std::uint32_t j = 0; j < k && table.ids(i, j) != no_node; ++j)
      lists.offer(listing.place_of[i], table.similarities(i, j), table.ids(i, j));
  Matrix<std::uint32_t> probes(x.rows(), 0);
  KnnTable result = join_until(
      context, options, effort, rows.lists(), report,
      [&](std::uint32_t begin, std::uint32_t end) {
        probes = continue_probes(probes, listing.nearest(context, rows.codes, all_of(x.rows()), end));
        join_all(context, rows, probes, begin, end, static_cast<NodeId>(x_old.rows()), lists);
      },
      [&] {
        KnnTable out{Matrix<NodeId>(x.rows(), k), Matrix<float>(x.rows(), k)};
#pragma omp parallel num_threads(context.thread_count())
        {
          std::vector<Candidate> scratch;
#pragma omp for schedule(dynamic, 256)
          for (std::size_t place = 0; place < rows.row.size(); ++place) {
            const NodeId row = rows.row[place];
            rescore(x, row, x, lists.candidates(place), options.metric, k, scratch, out.ids.row(row),
                    out.similarities.row(row));
          }
        }
        return out;
      });
  report.order = std::move(listing.rows.row);
  return result;
}

KnnTable search_by_join(Context& context, const DescriptorView& queries, const DescriptorView& x,
                        const KnnOptions& options, KnnReport& report) {
  const std::uint32_t k = options.k;
  const StackedRows asked{queries, {}};
  const Listing listing = make_listing(context, {x, {}}, options);
  const FilterRows codes = estimate_codes(context, queries, listing.space, options.metric);
  const Effort effort = [&] {
    std::vector<std::uint32_t> some = evenly_spaced(queries.rows(), value_or(options.effort.sample, usual_sample));
    const FilterRows own = take_rows(1, codes, some);
    return choose_effort(context, asked, own, std::move(some), false, listing, options);
  }();

  Reservoirs lists(queries.rows(), kept_candidates(k), kept_candidates(k) + room);
  Matrix<std::uint32_t> probes(queries.rows(), 0);
  return join_until(
      context, options, effort, listing.rows.lists(), report,
      [&](std::uint32_t begin, std::uint32_t end) {
        probes = continue_probes(probes, listing.nearest(context, codes, all_of(queries.rows()), end));
        join_visitors(context, listing.rows, codes, visits_of(probes, begin, end, listing.rows.lists(), {}), lists);
      },
      [&] {
        KnnTable out{Matrix<NodeId>(queries.rows(), k), Matrix<float>(queries.rows(), k)};
#pragma omp parallel num_threads(context.thread_count())
        {
          std::vector<Candidate> scratch;
#pragma omp for schedule(dynamic, 256)
          for (std::size_t q = 0; q < queries.rows(); ++q)
            rescore(asked, q, listing.x, lists.candidates(q), options.metric, k, scratch, out.ids.row(q),
                    out.similarities.row(q));
        }
        return out;
      });
}

std::vector<NodeId> order_by_list(Context& context, const DescriptorView& x) {
  if (x.rows() == 0) return {};
  return make_listing(context, {x, {}}, {}).rows.row;
}

}  // namespace lowshot::knn
