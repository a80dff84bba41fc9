// A stored k-NN table against the descriptors it should belong to: form of every row, recall and similarities of a
// sample. Two passes over the descriptors: the sample's rows, then all rows past the sample in blocks.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <unordered_set>
#include <vector>

#include "knn/recall_rule.h"
#include "knn/similarity.h"
#include "lowshot/error.h"
#include "lowshot/knn_check.h"
#include "lowshot/random.h"

namespace lowshot {
namespace {

constexpr double wrong = 1e-5;  // 256 float32 products of a published table differ by 1e-6 from ours
constexpr std::uint64_t block_bytes = std::uint64_t{64} << 20;

// `size` different rows of `rows`, rising (Floyd's sampling: memory of the sample alone).
std::vector<std::uint64_t> sample_rows(std::uint64_t rows, std::uint64_t size, std::uint32_t seed) {
  NumpyRandomState random(seed);
  std::unordered_set<std::uint64_t> chosen;
  for (std::uint64_t last = rows - std::min(size, rows); last < rows; ++last)
    if (!chosen.insert(random.interval(static_cast<std::uint32_t>(last))).second) chosen.insert(last);
  std::vector<std::uint64_t> sorted(chosen.begin(), chosen.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

std::uint64_t repeats(const std::int32_t* ids, std::uint32_t k, std::vector<std::int32_t>& sorted) {
  sorted.clear();
  for (std::uint32_t j = 0; j < k; ++j)
    if (ids[j] != -1) sorted.push_back(ids[j]);
  std::sort(sorted.begin(), sorted.end());
  return sorted.size() - static_cast<std::size_t>(std::unique(sorted.begin(), sorted.end()) - sorted.begin());
}

bool is_sorted_row(const std::int32_t* ids, const float* similarities, std::uint32_t k) {
  for (std::uint32_t j = 0; j < k; ++j) {
    if (ids[j] == -1) continue;
    if (std::isnan(similarities[j])) return false;
    if (j > 0 && (ids[j - 1] == -1 || similarities[j] > similarities[j - 1])) return false;
  }
  return true;
}

// The form of every row, as stored.
void look_at_rows(Context& context, const StoredKnn& table, KnnCheck& check) {
  const std::uint64_t step = std::max<std::uint64_t>(1, block_bytes / (std::uint64_t{table.k()} * 8));
  const std::uint64_t most = std::min(step, table.rows());
  Matrix<std::int32_t> ids(most, table.k());
  Matrix<float> similarities(most, table.k());
  const std::uint32_t k = check.k;
  for (std::uint64_t begin = 0; begin < table.rows(); begin += step) {
    const std::uint64_t count = std::min(step, table.rows() - begin);
    table.read(begin, ids.view().rows(0, count), similarities.view().rows(0, count));
    std::uint64_t out = 0, empty = 0, repeated = 0, first = 0, later = 0, absent = 0, unsorted = 0;
#pragma omp parallel num_threads(context.thread_count()) reduction(+ : out, empty, repeated, first, later, absent, unsorted)
    {
      std::vector<std::int32_t> sorted;
#pragma omp for schedule(static)
      for (std::uint64_t i = 0; i < count; ++i) {
        const std::int32_t* row = ids.row(i);
        const auto self = static_cast<std::int64_t>(begin + i);
        for (std::uint32_t j = 0; j < k; ++j) {
          empty += row[j] == -1 ? 1u : 0u;
          out += row[j] < -1 || row[j] >= static_cast<std::int64_t>(table.rows()) ? 1u : 0u;
        }
        const auto at = std::find(row, row + k, static_cast<std::int32_t>(self)) - row;
        ++(at == 0 ? first : at < static_cast<std::ptrdiff_t>(k) ? later : absent);
        repeated += repeats(row, k, sorted);
        unsorted += is_sorted_row(row, similarities.row(i), k) ? 0u : 1u;
      }
    }
    for (std::uint64_t i = 0; check.ids_out_of_range == 0 && out != 0 && i < count; ++i)
      for (std::uint32_t j = 0; j < k; ++j)
        if (check.ids_out_of_range == 0 && (ids(i, j) < -1 || ids(i, j) >= static_cast<std::int64_t>(table.rows()))) {
          check.first_bad_row = begin + i, check.first_bad_id = ids(i, j);
          check.ids_out_of_range = out, out = 0;
        }
    check.ids_out_of_range += out;
    check.empty_places += empty, check.repeated_ids += repeated;
    check.self_first += first, check.self_later += later, check.self_absent += absent, check.unsorted_rows += unsorted;
    context.report("looking at the table", begin + count, table.rows(), "rows");
  }
}

// A neighbour that the table names for a row of the sample.
struct Named {
  std::uint64_t id;
  std::uint32_t query;
  float stored;
  float computed;
};

// The distinct neighbours of the sample's rows by rising id, the rows themselves among them.
std::vector<Named> named_by_sample(const StoredKnn& table, const std::vector<std::uint64_t>& sample, std::uint32_t k) {
  std::vector<Named> named;
  Matrix<std::int32_t> ids(1, table.k());
  Matrix<float> similarities(1, table.k());
  std::vector<std::int32_t> seen;
  for (std::uint32_t q = 0; q < sample.size(); ++q) {
    table.read(sample[q], ids, similarities);
    seen.clear();
    for (std::uint32_t j = 0; j < k; ++j) {
      const std::int32_t id = ids(0, j);
      if (id < 0 || static_cast<std::uint64_t>(id) >= table.rows()) continue;
      if (std::find(seen.begin(), seen.end(), id) != seen.end()) continue;
      seen.push_back(id);
      named.push_back({static_cast<std::uint64_t>(id), q, similarities(0, j), 0});
    }
  }
  std::sort(named.begin(), named.end(),
            [](const Named& a, const Named& b) { return a.id != b.id ? a.id < b.id : a.query < b.query; });
  return named;
}

void prepare_rows(MatrixView<float> rows, const RowSource& source, std::uint64_t first, bool normalise) {
  if (normalise) {
    require_usable(rows, source.name(), first);
    normalise_rows(rows);
  } else {
    require_finite(rows, source.name(), first);
  }
}

double norm(const float* row, std::size_t dim) {
  double sum = 0;
  for (std::size_t j = 0; j < dim; ++j) sum += static_cast<double>(row[j]) * row[j];
  return std::sqrt(sum);
}

// What a difference of similarities is measured by: the size of the terms that are added up.
double unit(Metric metric, double a, double b) {
  return metric == Metric::l2 ? (a + b) * (a + b) : a * b;
}

// The true k-th similarity of each query, itself not counted; fewer than two rows or columns have none.
std::vector<double> true_thresholds(const KnnTable& best, const std::vector<std::uint64_t>& sample,
                                    std::uint64_t others) {
  std::vector<double> thresholds;
  for (std::size_t q = 0; q < sample.size(); ++q) {
    std::uint64_t found = 0;
    double last = 0;
    for (std::size_t j = 0; j < best.k() && found < others; ++j)
      if (best.ids(q, j) != no_node && best.ids(q, j) != sample[q]) last = best.similarities(q, j), ++found;
    thresholds.push_back(last);
  }
  return thresholds;
}

}  // namespace

KnnCheck check_knn(Context& context, const StoredKnn& table, RowSource& descriptors, const KnnCheckOptions& options) {
  KnnCheck check;
  check.rows = table.rows();
  check.stored_k = table.k();
  check.k = options.k == 0 ? table.k() : options.k;
  if (check.k > table.k())
    throw Error(ErrorKind::usage, fmt::format("{} columns are to be checked and {} are stored", check.k, table.k()));
  if (descriptors.rows() != table.rows())
    throw Error(ErrorKind::input,
                fmt::format("the table has {} rows and the descriptors {}", table.rows(), descriptors.rows()),
                descriptors.name(), "name the descriptors it was made from; --rows 0:N takes the first N");
  look_at_rows(context, table, check);
  if (table.rows() == 0) return check;

  // The sample's rows, then every row past them.
  const std::vector<std::uint64_t> sample = sample_rows(table.rows(), options.sample, options.seed);
  const std::uint32_t dim = descriptors.dim();
  Matrix<float> queries(sample.size(), dim);
  for (std::size_t q = 0; q < sample.size(); ++q) {
    descriptors.read(sample[q], queries.view().rows(q, q + 1));
    prepare_rows(queries.view().rows(q, q + 1), descriptors, sample[q], options.normalise);
  }
  check.sampled = sample.size();
  std::vector<Named> named = named_by_sample(table, sample, check.k);
  std::vector<double> query_norms;
  for (std::size_t q = 0; q < sample.size(); ++q) query_norms.push_back(norm(queries.row(q), dim));

  const KnnOptions search{.k = check.k, .metric = options.metric};
  KnnTable best = KnnTable::sized(sample.size(), check.k);
  const std::uint64_t step = std::clamp<std::uint64_t>(block_bytes / (std::uint64_t{dim} * 4), 1, table.rows());
  Matrix<float> block(step, dim);
  auto next = named.begin();
  for (std::uint64_t begin = 0; begin < table.rows(); begin += step) {
    const std::uint64_t count = std::min(step, table.rows() - begin);
    const MatrixView<float> rows = block.view().rows(0, count);
    descriptors.read(begin, rows);
    prepare_rows(rows, descriptors, begin, options.normalise);
    best = begin == 0 ? search_knn(context, queries, rows, search)
                      : extend_search_knn(context, best, queries, rows, begin, search);
    for (; next != named.end() && next->id < begin + count; ++next) {
      const std::size_t row = next->id - begin;
      next->computed = knn::similarity(queries, next->query, rows, row, options.metric);
      const double scale = unit(options.metric, query_norms[next->query], norm(rows.row(row), dim));
      const double difference = std::abs(static_cast<double>(next->stored) - next->computed);
      const double relative = difference == 0 ? 0 : scale > 0 ? difference / scale : difference;
      ++check.similarities;
      if (!(relative <= wrong)) ++check.wrong_similarities;  // NaN, too
      if (relative > check.largest_difference) check.largest_difference = relative;
    }
    context.report("searching the sample", begin + count, table.rows(), "rows");
  }

  const std::uint64_t others = std::min<std::uint64_t>(check.k - 1, table.rows() - 1);
  if (others == 0 || sample.empty()) return check;
  const std::vector<double> thresholds = true_thresholds(best, sample, others);
  std::vector<std::uint64_t> found(sample.size(), 0);
  for (const Named& n : named)
    if (n.id != sample[n.query] && n.computed >= thresholds[n.query] - knn::recall_tie) ++found[n.query];
  double sum = 0;
  for (const std::uint64_t f : found) sum += static_cast<double>(std::min(f, others)) / static_cast<double>(others);
  check.recall = sum / static_cast<double>(sample.size());
  return check;
}

}  // namespace lowshot
