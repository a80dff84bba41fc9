#include "lowshot/knn_time.h"

#include <algorithm>
#include <cmath>

#include "knn/approximate.h"
#include "lowshot/time_plan.h"

namespace lowshot {
namespace {

// Byte products a thread: half a second of work with AVX-512, one to two without. Smaller builds overrate a machine
// of many cores, which they do not fill: with 16,384 rows on 16 cores the estimate of 1.5 million rows was 2.5 times
// too long.
constexpr double sample_products = 2.5e11;
constexpr std::uint64_t most_sample_rows = 131072;
// Lists are of one size, but more of them are visited for the same recall: 14, 21 and 36 for .95 at 120,000, 250,000
// and 1,000,000 rows. The rest of the work grows with the rows.
constexpr double visits_growth = 0.45;

// A build of a few hundred rows is over before its time says anything: it is repeated, and the least counts.
constexpr double long_enough = 0.1;

template <typename Work>
double least_seconds(const Work& work) {
  double least = INFINITY, sum = 0;
  while (sum < long_enough) {
    const double seconds = seconds_of(work);
    least = std::min(least, seconds);
    sum += std::max(seconds, 1e-4);
  }
  return least;
}

// Of `n` rows of which a share of the pairs is joined.
double join_seconds(const KnnRates& rates, double n, double share) {
  const double times = n / static_cast<double>(rates.join_rows);
  return times * (rates.listing + rates.joining * share * std::pow(times, visits_growth));
}

}  // namespace

std::uint64_t knn_sample_rows(const Context& context, std::uint64_t rows, std::uint32_t dim) {
  const double products = sample_products * context.thread_count() / std::max(dim, 1u);
  const std::uint64_t fitting = context.memory_limit == 0 ? rows : context.memory_limit / 2 / (6 * dim + 1024);
  return std::min({most_sample_rows, rows, std::max<std::uint64_t>(fitting, 1024),
                   static_cast<std::uint64_t>(std::sqrt(2 * products))});
}

KnnRates measure_knn(Context& context, const DescriptorView& sample, const KnnOptions& options,
                     std::uint64_t all_rows) {
  Context quiet = context;
  quiet.log = {};
  quiet.progress = {};
  KnnRates rates{.options = options};
  const std::size_t size = sample.rows();
  if (size < 2) return rates;
  KnnOptions forced = options;
  forced.method = KnnMethod::exact;
  KnnTable table;
  const double half = least_seconds([&] { table = build_knn(quiet, sample.rows(0, size / 2), forced); });
  const double whole = least_seconds([&] { build_knn(quiet, sample, forced); });
  // t(n) = a n^2 + b n through both; a is at least half of what the larger build took a pair.
  const double n = static_cast<double>(size);
  const double a = std::max((whole - 2 * half) / (n * n / 2), whole / (n * n) / 2);
  rates.pair = 2 * a;
  rates.row = std::max(0.0, (whole - a * n * n) / n);
  const std::size_t old_rows = size / 2, new_rows = std::max<std::size_t>(1, size / 200);
  const double extended = least_seconds(
      [&] { extend_knn(quiet, table, sample.rows(0, old_rows), sample.rows(old_rows, old_rows + new_rows), forced); });
  const double o = static_cast<double>(old_rows), e = static_cast<double>(new_rows);
  rates.kept = std::max(0.0, (extended - rates.pair * (o * e + e * e / 2) - 2 * rates.row * e) / o);
  if (!knn::goes_by_lists(options, static_cast<double>(all_rows) * static_cast<double>(all_rows) / 2)) return rates;

  forced.method = KnnMethod::join;
  rates.join_rows = size;
  quiet.seconds = {};
  const double all = seconds_of([&] { build_knn(quiet, sample, forced); });
  rates.joining = quiet.seconds["k-NN: join"];
  rates.listing = all - rates.joining;
  return rates;
}

double build_knn_seconds(const KnnRates& rates, std::uint64_t rows) {
  return extend_knn_seconds(rates, 0, rows);
}

double extend_knn_seconds(const KnnRates& rates, std::uint64_t old_rows, std::uint64_t new_rows) {
  const double n = static_cast<double>(old_rows), m = static_cast<double>(new_rows), pairs = m * n + m * m / 2;
  if (knn::goes_by_lists(rates.options, pairs) && rates.join_rows != 0)
    return join_seconds(rates, n + m, pairs / ((n + m) * (n + m) / 2));
  return rates.pair * pairs + rates.row * (m + std::min(n, m)) + rates.kept * n;
}

double search_knn_seconds(const KnnRates& rates, std::uint64_t queries, std::uint64_t rows) {
  const double m = static_cast<double>(queries), n = static_cast<double>(rows);
  if (knn::goes_by_lists(rates.options, m * n) && rates.join_rows != 0) return join_seconds(rates, n, m / n);
  return rates.pair * m * n + rates.row * m;
}

}  // namespace lowshot
