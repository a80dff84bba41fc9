#include "knn/approximate.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>

#include "knn/centroids.h"
#include "knn/filter_rows.h"
#include "knn/list_join.h"
#include "knn/listed_rows.h"
#include "knn/recall_sample.h"
#include "knn/rescore.h"

namespace lowshot::knn {
namespace {

constexpr std::uint32_t usual_list_rows = 256, usual_sample = 1000, first_probes = 128, first_window = 8;
constexpr std::uint32_t room = 16;     // candidates beyond those kept, between two cuts
constexpr double filter_loss = 0.001;  // recall that 8-bit scores cost beside the pairs that never meet

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

// 8-bit rows and the centroids of their lists.
struct Listing {
  FilterSpace space;
  FilterRows codes;
  ListCentroids centroids;
  std::uint32_t list_rows = 0;
};

Listing make_listing(Context& context, const StackedRows& x, const KnnOptions& options) {
  Listing out;
  out.list_rows = value_or(options.effort.list_rows, usual_list_rows);
  {
    Phase phase(context, "k-NN: 8-bit codes");
    out.space = make_filter_space(context.thread_count(), x.first, x.second);
    out.codes = stack_rows(estimate_codes(context, x.first, out.space, options.metric),
                           estimate_codes(context, x.second, out.space, options.metric));
  }
  Phase phase(context, "k-NN: lists");
  out.centroids = train_lists(context, out.codes, options.metric, out.list_rows);
  return out;
}

// The rows by their nearest list. The listing's codes are given up, its centroids stay.
ListedRows sort_rows(Context& context, Listing& listing, Metric metric) {
  Phase phase(context, "k-NN: sorting by list");
  const Matrix<std::uint32_t> home =
      nearest_lists(context, listing.codes, all_of(listing.codes.count), metric, listing.centroids, 1);
  return sort_by_list(context.thread_count(), std::move(listing.codes), home, listing.centroids.lists,
                      listing.list_rows);
}

// What the sample says about the effort.
struct Effort {
  RecallSample sample;
  std::vector<std::uint32_t> ranks;  // as meeting_ranks
  std::uint32_t probes = 0;
};

// The fewest lists with which the wanted share of the sample's rows and their true neighbours meets.
Effort choose_effort(Context& context, RecallSample&& sample, const Listing& listing, NodeId first_new,
                     const KnnOptions& options) {
  const std::uint32_t lists = listing.centroids.lists;
  Effort out{std::move(sample), {}, options.effort.probes};
  for (std::uint32_t most = std::min(lists, first_probes); out.probes == 0; most = std::min(lists, 4 * most)) {
    out.ranks = meeting_ranks(context, out.sample, listing.codes, options.metric, listing.centroids, most, first_new);
    const std::uint32_t enough = probes_for(std::min(1.0, options.recall + filter_loss), out.ranks);
    if (enough <= most || most == lists) out.probes = enough;
  }
  out.probes = std::min(out.probes, lists);
  context.detail(fmt::format("k-NN: each row is compared with {} of {} lists", out.probes, lists));
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
      if (ranked(i, r) != no_list && std::find(visited.begin(), visited.end(), ranked(i, r)) == visited.end())
        row[filled++] = ranked(i, r);
    std::fill(row.begin() + static_cast<std::ptrdiff_t>(filled), row.end(), no_list);
    std::copy(row.begin(), row.end(), ranked.row(i));
  }
  return std::move(ranked);
}

// Recall of the sample's rows by what their lists hold now; list_of(s): that of sample row s.
template <typename ListOf>
double measure(const RecallSample& sample, const StackedRows& queries, const StackedRows& x, Reservoirs& lists,
               const ListOf& list_of, const KnnOptions& options) {
  KnnTable found = KnnTable::sized(sample.rows.size(), options.k);
  std::vector<Candidate> scratch;
  for (std::size_t s = 0; s < sample.rows.size(); ++s)
    rescore(queries, sample.rows[s], x, lists.best(list_of(s)), options.metric, options.k, scratch, found.ids.row(s),
            found.similarities.row(s));
  return recall_of(sample, found);
}

// Joins until the sample's recall is what is wanted: join(begin, end) visits lists begin .. end-1 of each row.
template <typename Join, typename Measure>
void join_until(Context& context, const KnnOptions& options, const Effort& effort, std::uint32_t lists,
                KnnReport& report, const Join& join, const Measure& measure_now) {
  Phase phase(context, "k-NN: join");
  report.method = KnnMethod::join;
  report.lists = lists;
  report.sampled = static_cast<std::uint32_t>(effort.sample.rows.size());
  std::uint32_t begin = 0;
  for (report.probes = effort.probes;;
       report.probes = std::min(lists, report.probes + std::max(1u, report.probes / 4))) {
    join(begin, report.probes);
    report.recall = measure_now();
    if (options.effort.probes != 0 || report.recall >= options.recall || report.probes == lists) return;
    // Even if all pairs that have not met yet were found, it would not be enough.
    if (report.recall + 1 - share_within(report.probes, effort.ranks) < options.recall) {
      context.info(
          fmt::format("k-NN recall stays at {:.3f}: neighbours are nearer to each other than 8 bits can tell, or are "
                      "missing in the table that is extended; the exact method finds them",
                      report.recall));
      return;
    }
    context.detail(
        fmt::format("recall {:.4f} with {} of {} lists a row: going on", report.recall, report.probes, lists));
    begin = report.probes;
  }
}

// The table's rows from all lists; list i is that of row row_of[i].
KnnTable rescore_all(Context& context, const StackedRows& queries, std::span<const NodeId> row_of, const StackedRows& x,
                     Reservoirs& lists, const KnnOptions& options) {
  Phase phase(context, "k-NN: float32 scores");
  KnnTable out = KnnTable::sized(queries.rows(), options.k);
#pragma omp parallel num_threads(context.thread_count())
  {
    std::vector<Candidate> scratch;
#pragma omp for schedule(dynamic, 256)
    for (std::size_t i = 0; i < row_of.size(); ++i)
      rescore(queries, row_of[i], x, lists.best(i), options.metric, options.k, scratch, out.ids.row(row_of[i]),
              out.similarities.row(row_of[i]));
  }
  return out;
}

Reservoirs make_lists(std::size_t rows, std::uint32_t k) {
  return Reservoirs(rows, kept_candidates(k), kept_candidates(k) + room);
}

}  // namespace

std::uint64_t join_memory(std::uint64_t rows, std::uint32_t dim, const KnnOptions& options) {
  // Lists visited for recall .95: 14, 21 and 36 at 120,000, 250,000 and 1,000,000 rows; for .99 33, 54 and 88.
  const double n = static_cast<double>(rows);
  const auto usual =
      static_cast<std::uint32_t>(36 * std::pow(n / 1e6, 0.45) * std::pow(0.05 / (1 - options.recall), 0.55));
  const std::uint64_t probes = value_or(options.effort.probes, std::max(1u, usual));
  const std::uint64_t codes = rows * (dim + 12), visits = rows * 4 * std::max<std::uint64_t>(16, probes * 2 / 3);
  const std::uint64_t lists = Reservoirs::memory_with_room(rows, kept_candidates(options.k) + room);
  const std::uint64_t table = rows * options.k * (sizeof(NodeId) + sizeof(float));
  const std::uint64_t places = rows * 8;
  return places +
         std::max({2 * (codes + rows * 4 * probes), lists + codes + rows * 4 * probes + visits, lists + table});
}

KnnTable extend_by_join(Context& context, const KnnTable& table, const DescriptorView& x_old,
                        const DescriptorView& x_new, const KnnOptions& options, KnnReport& report) {
  const int threads = context.thread_count();
  const StackedRows x{x_old, x_new};
  const auto first_new = static_cast<NodeId>(x_old.rows());
  Listing listing = make_listing(context, x, options);
  const Effort effort = [&] {
    Phase phase(context, "k-NN: sample");
    return choose_effort(
        context,
        sample_truth(context, x, listing.codes, x, true, value_or(options.effort.sample, usual_sample), options),
        listing, first_new, options);
  }();
  const RecallSample& sample = effort.sample;

  ListedRows rows;
  Matrix<std::uint32_t> probes;
  {
    Phase phase(context, "k-NN: sorting by list");
    const Matrix<std::uint32_t> nearest =
        nearest_lists(context, listing.codes, all_of(x.rows()), options.metric, listing.centroids, effort.probes);
    rows = sort_by_list(threads, std::move(listing.codes), nearest, listing.centroids.lists, listing.list_rows);
    probes = Matrix<std::uint32_t>(nearest.rows(), nearest.cols());
#pragma omp parallel for num_threads(threads) schedule(static)
    for (std::size_t place = 0; place < rows.row.size(); ++place)
      std::copy_n(nearest.row(rows.row[place]), nearest.cols(), probes.row(place));
    probes = renumber_lists(threads, std::move(probes), rows);
  }
  const ListPairs pairs = close_lists(threads, rows, probes);
  drop_visits(threads, rows, pairs, probes);
  std::vector<std::size_t> place_of_sample(sample.rows.size());
  Reservoirs lists = make_lists(x.rows(), options.k);
  for (std::size_t place = 0; place < rows.row.size(); ++place) {
    const NodeId row = rows.row[place];
    const auto at = std::lower_bound(sample.rows.begin(), sample.rows.end(), row);
    if (at != sample.rows.end() && *at == row)
      place_of_sample[static_cast<std::size_t>(at - sample.rows.begin())] = place;
    for (std::uint32_t j = 0; row < table.rows() && j < options.k && table.ids(row, j) != no_node; ++j)
      lists.offer(place, table.similarities(row, j), table.ids(row, j));
  }

  join_until(
      context, options, effort, rows.lists(), report,
      [&](std::uint32_t begin, std::uint32_t end) {
        if (begin == 0) {
          join_within_lists(context, rows, first_new, lists);
          join_list_pairs(context, rows, pairs, first_new, lists);
        } else {
          Matrix<std::uint32_t> ranked = renumber_lists(
              threads, nearest_lists(context, rows.codes, all_of(x.rows()), options.metric, listing.centroids, end),
              rows);
          drop_visits(threads, rows, pairs, ranked);
          probes = continue_probes(probes, std::move(ranked));
        }
        // The nearest lists first: thresholds rise before most of the pairs are seen.
        for (std::uint32_t from = begin, to; from < end; from = to) {
          to = std::min(end, std::max(from + first_window, 3 * from));
          join_visits(context, rows, probes, from, to, first_new, lists);
        }
      },
      [&] {
        return measure(
            sample, x, x, lists, [&](std::size_t s) { return place_of_sample[s]; }, options);
      });
  rows.codes = {};
  probes = {};
  KnnTable result = rescore_all(context, x, rows.row, x, lists, options);
  report.order = std::move(rows.row);
  return result;
}

KnnTable search_by_join(Context& context, const DescriptorView& queries, const DescriptorView& x_all,
                        const KnnOptions& options, KnnReport& report) {
  const int threads = context.thread_count();
  const StackedRows asked{queries, {}}, x{x_all, {}};
  Listing listing = make_listing(context, x, options);
  const FilterRows codes = estimate_codes(context, queries, listing.space, options.metric);
  const Effort effort = [&] {
    Phase phase(context, "k-NN: sample");
    return choose_effort(
        context, sample_truth(context, asked, codes, x, false, value_or(options.effort.sample, usual_sample), options),
        listing, 0, options);
  }();
  const RecallSample& sample = effort.sample;
  const ListedRows rows = sort_rows(context, listing, options.metric);

  Reservoirs lists = make_lists(queries.rows(), options.k);
  Matrix<std::uint32_t> probes(queries.rows(), 0);
  join_until(
      context, options, effort, rows.lists(), report,
      [&](std::uint32_t begin, std::uint32_t end) {
        probes = continue_probes(probes, renumber_lists(threads,
                                                        nearest_lists(context, codes, all_of(queries.rows()),
                                                                      options.metric, listing.centroids, end),
                                                        rows));
        join_visitors(context, rows.codes, rows.first, rows.row, codes, visits_of(probes, begin, end, rows.lists(), {}),
                      lists);
      },
      [&] {
        return measure(
            sample, asked, x, lists, [&](std::size_t s) { return sample.rows[s]; }, options);
      });
  return rescore_all(context, asked, all_of(queries.rows()), x, lists, options);
}

std::vector<NodeId> order_by_list(Context& context, const DescriptorView& x) {
  if (x.rows() == 0) return {};
  Listing listing = make_listing(context, {x, {}}, {});
  return sort_rows(context, listing, Metric::inner_product).row;
}

}  // namespace lowshot::knn
