// k-NN tables: the facade of lowshot/knn.h over the exact search and the approximate one.
#include "lowshot/knn.h"

#include <fmt/format.h>

#include <algorithm>

#include "knn/approximate.h"
#include "knn/exact.h"
#include "knn/reservoirs.h"
#include "lowshot/error.h"

namespace lowshot {
namespace {

using knn::Reservoirs;

constexpr std::uint32_t largest_k = 1024;
constexpr std::size_t largest_dim = 65536;  // 65,536 x 255 x 127 still fits the filter's 32-bit sums
// Pairs of rows from which on the join is taken, 63,000 rows with each other. It is quicker from 20,000 rows on (0.15 s
// against 0.2 at 256 dimensions, two Zen 5 cores); until here the exact search takes about a second, which is no price
// for the last neighbours.
constexpr double join_pairs = 2e9;

void require_nodes(std::uint64_t rows) {
  if (rows > max_nodes)
    throw Error(ErrorKind::input, fmt::format("{} rows are more than the {} a graph can hold", rows, max_nodes));
}

void require_sizes(const DescriptorView& x, const DescriptorView& y, const KnnOptions& options) {
  if (options.k == 0 || options.k > largest_k)
    throw Error(ErrorKind::usage, fmt::format("k must be 1 to {} and is {}", largest_k, options.k));
  if (x.cols() != y.cols() && x.rows() != 0 && y.rows() != 0)
    throw Error(ErrorKind::input,
                fmt::format("rows of {} and of {} dimensions cannot be compared", x.cols(), y.cols()));
  if (x.is_half() != y.is_half() && x.rows() != 0 && y.rows() != 0)
    throw Error(ErrorKind::usage, "float16 and float32 rows cannot be compared; convert one set");
  const std::size_t dim = std::max(x.cols(), y.cols());
  if (dim > largest_dim)
    throw Error(ErrorKind::input,
                fmt::format("descriptors have {} dimensions, at most {} are possible", dim, largest_dim), "",
                "reduce them with `lowshot pca`");
  require_nodes(x.rows() + y.rows());
}

void require_table(const KnnTable& table, std::size_t rows, const KnnOptions& options) {
  if (table.rows() != rows || table.k() < options.k)
    throw Error(ErrorKind::usage,
                fmt::format("a table of {} rows and {} neighbours cannot be extended to {} neighbours of {} rows",
                            table.rows(), table.k(), options.k, rows));
}

void require_effort(const KnnOptions& options) {
  if (!(options.recall > 0 && options.recall < 1))
    throw Error(ErrorKind::usage, fmt::format("recall must lie between 0 and 1 and is {}", options.recall), "",
                "0.95 is usual; for 1 use the exact method");
}

// Where a call's facts go: the caller's report, or `own`; empty.
KnnReport& begin_report(const KnnOptions& options, KnnReport* report, KnnReport& own) {
  require_effort(options);
  KnnReport& facts = report != nullptr ? *report : own;
  facts = {};
  return facts;
}

double pairs(std::size_t a, std::size_t b) {
  return static_cast<double>(a) * static_cast<double>(b);
}

// Rows of `more`, ids shifted by first_id, among those of the first options.k columns of `table`.
KnnTable merge(int threads, const KnnTable& table, const KnnTable& more, std::uint64_t first_id, std::uint32_t k) {
  Reservoirs lists(threads, table, k);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t i = 0; i < more.rows(); ++i)
    for (std::uint32_t j = 0; j < k && more.ids(i, j) != no_node; ++j)
      lists.offer(i, more.similarities(i, j), static_cast<NodeId>(more.ids(i, j) + first_id));
  KnnTable result = KnnTable::sized(table.rows(), k);
  lists.finish(threads, result);
  return result;
}

}  // namespace

bool knn::goes_by_lists(const KnnOptions& options, double pairs) {
  switch (options.method) {
    case KnnMethod::automatic:
      return pairs >= join_pairs;
    case KnnMethod::exact:
      return false;
    case KnnMethod::join:
      return pairs > 0;
  }
  return false;
}

std::uint64_t build_knn_memory(std::uint64_t rows, std::uint32_t dim, const KnnOptions& options) {
  return extend_knn_memory(0, rows, dim, options);
}

std::uint64_t extend_knn_memory(std::uint64_t old_rows, std::uint64_t new_rows, std::uint32_t dim,
                                const KnnOptions& options) {
  const std::uint64_t rows = old_rows + new_rows;
  if (knn::goes_by_lists(options, pairs(new_rows, old_rows) + pairs(new_rows, new_rows) / 2))
    return knn::join_memory(rows, dim, options);
  const std::uint64_t codes = rows * (dim + 12) + new_rows * dim;
  const std::uint64_t table = rows * options.k * (sizeof(NodeId) + sizeof(float));
  return Reservoirs::memory(rows, options.k) + std::max(codes, table);  // the codes are gone when the table comes
}

KnnMethod build_knn_method(std::uint64_t rows, const KnnOptions& options) {
  return knn::goes_by_lists(options, pairs(rows, rows) / 2) ? KnnMethod::join : KnnMethod::exact;
}

KnnTable build_knn(Context& context, const DescriptorView& x, const KnnOptions& options, KnnReport* report) {
  return extend_knn(context, KnnTable::sized(0, options.k), {}, x, options, report);
}

KnnTable extend_knn(Context& context, const KnnTable& table, const DescriptorView& x_old, const DescriptorView& x_new,
                    const KnnOptions& options, KnnReport* report) {
  require_sizes(x_old, x_new, options);
  require_table(table, x_old.rows(), options);
  KnnReport own;
  KnnReport& facts = begin_report(options, report, own);
  if (knn::goes_by_lists(options, pairs(x_new.rows(), x_old.rows()) + pairs(x_new.rows(), x_new.rows()) / 2))
    return knn::extend_by_join(context, table, x_old, x_new, options, facts);
  return knn::extend_exactly(context, table, x_old, x_new, options);
}

KnnTable search_knn(Context& context, const DescriptorView& queries, const DescriptorView& x, const KnnOptions& options,
                    KnnReport* report) {
  require_sizes(queries, x, options);
  KnnReport own;
  KnnReport& facts = begin_report(options, report, own);
  if (knn::goes_by_lists(options, pairs(queries.rows(), x.rows())))
    return knn::search_by_join(context, queries, x, options, facts);
  return knn::search_exactly(context, nullptr, queries, x, 0, options);
}

KnnTable extend_search_knn(Context& context, const KnnTable& table, const DescriptorView& queries,
                           const DescriptorView& x_new, std::uint64_t first_new_id, const KnnOptions& options,
                           KnnReport* report) {
  require_sizes(queries, x_new, options);
  require_table(table, queries.rows(), options);
  require_nodes(first_new_id + x_new.rows());
  KnnReport own;
  KnnReport& facts = begin_report(options, report, own);
  if (knn::goes_by_lists(options, pairs(queries.rows(), x_new.rows())))
    return merge(context.thread_count(), table, knn::search_by_join(context, queries, x_new, options, facts),
                 first_new_id, options.k);
  return knn::search_exactly(context, &table, queries, x_new, first_new_id, options);
}

}  // namespace lowshot
