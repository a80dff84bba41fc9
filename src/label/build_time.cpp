#include "label/build_time.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <vector>

#include "lowshot/io.h"
#include "lowshot/knn.h"

namespace lowshot {
namespace {

// Byte products a thread: 2 to 4 s of work. Smaller builds overrate a machine of many cores, which they do not fill:
// with 16,384 rows on 16 cores the estimate of 1.5 million rows was 2.5 times too long.
constexpr double sample_products = 5e11;
constexpr std::uint64_t most_sample_rows = 131072;

double timed_build(Context& context, MatrixView<const float> rows, const KnnOptions& knn) {
  const auto start = std::chrono::steady_clock::now();
  build_knn(context, rows, knn);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

double estimate_build_seconds(Context& context, const Collection& collection, const KeepOptions& options) {
  std::vector<std::unique_ptr<RowSource>> shards;
  for (const fs::path& shard : collection.shards) shards.push_back(open_rows(shard, options.raw_dim));
  const auto source = concatenate_rows(std::move(shards));
  const double products = sample_products * context.thread_count() / collection.dim;
  const std::uint64_t sample =
      std::min({most_sample_rows, collection.rows, static_cast<std::uint64_t>(std::sqrt(2 * products))});
  Matrix<float> rows(sample, collection.dim);
  source->read(0, rows);
  normalise_rows(rows);
  for (std::size_t e = 0; e < rows.size(); ++e)
    if (!(rows.data()[e] >= -1 && rows.data()[e] <= 1)) rows.data()[e] = 0;  // bad rows: only the time counts here
  const KnnOptions knn = stored_options(options.knn);
  Context quiet = context;
  quiet.progress = {};
  const double half = timed_build(quiet, rows.view().rows(0, sample / 2), knn), whole = timed_build(quiet, rows, knn);
  // t(n) = a n^2 + b n through both; a is at least half of what the larger build took a pair.
  const double n = static_cast<double>(sample), all = static_cast<double>(collection.rows);
  const double a = std::max((whole - 2 * half) / (n * n / 2), whole / (n * n) / 2);
  const double b = std::max(0.0, (whole - a * n * n) / n);
  return a * all * all + b * all;
}

}  // namespace lowshot
