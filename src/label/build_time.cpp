#include "label/build_time.h"

#include <algorithm>
#include <chrono>

#include "lowshot/io.h"
#include "lowshot/knn.h"

namespace lowshot {
namespace {

// The least of two runs: the first pays for pages and clocks that are not up yet.
double timed_build(Context& context, MatrixView<const float> rows, std::uint32_t k) {
  double least = 1e300;
  for (int run = 0; run < 2; ++run) {
    const auto start = std::chrono::steady_clock::now();
    build_knn(context, rows, {.k = k});
    least = std::min(least, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return least;
}

}  // namespace

double estimate_build_seconds(Context& context, const Collection& collection, const KeepOptions& options) {
  const std::uint64_t sample = std::min<std::uint64_t>({16384, collection.rows, collection.shard_rows.front()});
  const auto source = open_rows(collection.shards.front(), options.raw_dim);
  Matrix<float> rows(sample, collection.dim);
  source->read(0, rows);
  normalise_rows(rows);
  for (std::size_t e = 0; e < rows.size(); ++e)
    if (!(rows.data()[e] >= -1 && rows.data()[e] <= 1)) rows.data()[e] = 0;  // bad rows: only the time counts here
  const std::uint32_t k = stored_k(options.k);
  Context quiet = context;
  quiet.progress = {};
  const double whole = timed_build(quiet, rows, k);
  if (sample < 4096) return whole * static_cast<double>(collection.rows) / static_cast<double>(std::max<std::uint64_t>(sample, 1));
  const double half = timed_build(quiet, rows.view().rows(0, sample / 2), k);
  // t(n) = a n^2 + b n through both
  const double n = static_cast<double>(sample), all = static_cast<double>(collection.rows);
  const double a = std::max((whole - 2 * half) / (n * n / 2), 0.25 * whole / (n * n));
  const double b = std::max(0.0, (whole - a * n * n) / n);
  return a * all * all + b * all;
}

}  // namespace lowshot
