#include "knn/centroids.h"

#include <omp.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "knn/best_scores.h"
#include "knn/bisection.h"
#include "knn/gathered_rows.h"
#include "knn/reservoirs.h"
#include "knn/sampled_rows.h"
#include "lowshot/allocation.h"

namespace lowshot::knn {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr std::uint32_t chunk_rows =
    144;  // rows of a tile, whole steps of all kernels: 36 KiB of codes at 256 dimensions
constexpr std::uint64_t points_per_list = 40;  // more did not move recall
constexpr std::uint64_t points_per_super = 256;
// Super-centroids whose lists a row is compared with. At 1M rows 6 of 62 leave as few probes to do for recall .95 (33)
// as 12 do; rows that are compared together need 30 between them, with 12 each 43.
constexpr std::uint32_t near_supers = 6;
constexpr int lloyd_steps = 4, refine_steps = 3;

// What k-means needs of the codes: rows as points scale * code.
struct Points {
  const FilterRows& codes;
  FilterBackend backend;
  float unit;  // codes.scale holds the scales times this

  void add(std::uint32_t row, float* sum) const {
    const std::int8_t* code = codes.rows.row(row);
    const float scale = codes.scale[row] / unit;
    for (std::uint32_t j = 0; j < codes.code_bytes; ++j) sum[j] += scale * static_cast<float>(code[j]);
  }
};

Points points_of(Context& context, const FilterRows& codes, Metric metric) {
  return {codes, filter_backend(context.isa), metric == Metric::l2 ? std::sqrt(2.0f) : 1.0f};
}

CentroidPanels encode(MatrixView<const float> centroids, const Points& points) {
  const std::uint32_t count = static_cast<std::uint32_t>(centroids.rows()), dim = points.codes.code_bytes;
  const std::size_t panels = (count + panel_width - 1) / panel_width;
  CentroidPanels out;
  out.count = count;
  out.code_bytes = dim;
  out.panels = Matrix<std::uint8_t>(panels, std::size_t{dim} * panel_width);
  out.scale.assign(panels * panel_width, 0.0f);
  out.bound.assign(panels * panel_width, -infinity);
  Matrix<std::int8_t> codes(count, dim);
  const float levels = static_cast<float>(points.backend.levels);
  for (std::uint32_t c = 0; c < count; ++c) {
    const float* z = centroids.row(c);
    float largest = 0, square = 0;
    for (std::uint32_t j = 0; j < dim; ++j) largest = std::max(largest, std::fabs(z[j])), square += z[j] * z[j];
    const float scale = largest / levels, inverse = scale > 0 ? 1 / scale : 0;
    for (std::uint32_t j = 0; j < dim; ++j)
      codes(c, j) = static_cast<std::int8_t>(std::clamp(std::nearbyint(z[j] * inverse), -levels, levels));
    out.scale[c] = scale / points.unit;
    out.bound[c] = -square / 2;
  }
  pack_panels(codes.data(), count, dim, points.backend.offset, out.panels.data());
  return out;
}

// Scores of some gathered rows against sets of centroids, side by side, and the best of them.
class ScoreTable {
 public:
  // Makes room for at most chunk_rows rows and `columns` columns, those of each set padded; what was there is gone.
  void clear(std::uint32_t columns) {
    columns_ = 0, stride_ = columns;
    scores_.resize(std::size_t{chunk_rows} * columns);
    numbers_.resize(columns);
  }
  // Centroids number first, first + 1, ...
  void add(const FilterBackend& backend, const GatheredRows& rows, const CentroidPanels& centroids,
           std::uint32_t first) {
    FilterTile tile = rows.tile();
    tile.panels = centroids.panels.data();
    tile.col_scale = centroids.scale.data();
    tile.col_bound = centroids.bound.data();
    tile.col_count = centroids.count;
    backend.scores(tile, scores_.data() + columns_, stride_);
    const std::uint32_t width = padded(centroids.count);
    std::iota(numbers_.begin() + columns_, numbers_.begin() + columns_ + width, first);
    columns_ += width;
  }
  // The `some` nearest centroids of a row, the nearest first, ties by number; no_list where there are fewer.
  void nearest(std::uint32_t row, std::uint32_t some, std::uint32_t* found) {
    const float* scores = scores_.data() + row * stride_;
    const std::uint32_t wanted = std::min(some, columns_);
    best_.clear();
    const float level = some == 1 ? greatest(scores, columns_) : level_for(scores, wanted);
    each_reaching(scores, columns_, level, [&](std::uint32_t place) {
      if (scores[place] > -infinity) best_.push_back(make_candidate(scores[place], numbers_[place]));
    });
    sort_candidates(best_);
    for (std::uint32_t j = 0; j < some; ++j) found[j] = j < best_.size() ? id_of(best_[j]) : no_list;
  }

 private:
  static constexpr std::uint32_t spare = 4;

  // What at least `wanted` scores reach. Of many scores the maxima of groups are looked at, three times as many as are
  // wanted: the wanted ones rarely share a group, and about a fifth more scores are sorted than without.
  float level_for(const float* scores, std::uint32_t wanted) {
    const std::uint32_t width = padded(3 * wanted);
    if (columns_ < 2 * width) return level_of(scores, columns_, wanted, spare);
    maxima_.resize(width);
    group_maxima(scores, columns_, width, maxima_.data());
    return level_of(maxima_.data(), width, wanted, spare);
  }

  Array<float> scores_;
  std::vector<float> maxima_;
  std::vector<std::uint32_t> numbers_;
  std::uint32_t columns_ = 0;  // filled so far, of stride_ there is room for
  std::size_t stride_ = 0;
  std::vector<Candidate> best_;
};

// The `some` nearest centroids of each of `rows`: rows.size() x some. One thread.
Matrix<std::uint32_t> nearest(const Points& points, std::span<const std::uint32_t> rows,
                              const CentroidPanels& centroids, std::uint32_t some) {
  Matrix<std::uint32_t> found(rows.size(), some);
  GatheredRows gathered(chunk_rows, points.codes.code_bytes, 0);
  ScoreTable table;
  for (std::size_t begin = 0; begin < rows.size(); begin += chunk_rows) {
    const auto chunk = rows.subspan(begin, std::min<std::size_t>(chunk_rows, rows.size() - begin));
    gathered.load(points.codes, chunk, false);
    table.clear(padded(centroids.count));
    table.add(points.backend, gathered, centroids, 0);
    for (std::uint32_t i = 0; i < chunk.size(); ++i) table.nearest(i, some, found.row(begin + i));
  }
  return found;
}

// Rows by the group they belong to: rows of group g are members[first[g] .. first[g + 1] - 1], rising.
struct Groups {
  std::vector<std::uint32_t> first, members;

  std::span<const std::uint32_t> of(std::uint32_t g) const {
    return std::span(members).subspan(first[g], first[g + 1] - first[g]);
  }
};

Groups group(std::span<const std::uint32_t> rows, std::span<const std::uint32_t> group_of, std::uint32_t groups) {
  Groups out;
  out.first.assign(groups + 1, 0);
  for (const std::uint32_t g : group_of) ++out.first[g + 1];
  std::partial_sum(out.first.begin(), out.first.end(), out.first.begin());
  out.members.resize(rows.size());
  std::vector<std::uint32_t> next(out.first.begin(), out.first.end() - 1);
  for (std::size_t i = 0; i < rows.size(); ++i) out.members[next[group_of[i]]++] = rows[i];
  return out;
}

// z <- mean of the rows; without rows z stays.
void move_to_mean(const Points& points, std::span<const std::uint32_t> rows, float* z) {
  if (rows.empty()) return;
  std::fill_n(z, points.codes.code_bytes, 0.0f);
  for (const std::uint32_t row : rows) points.add(row, z);
  for (std::uint32_t j = 0; j < points.codes.code_bytes; ++j) z[j] /= static_cast<float>(rows.size());
}

// k-means of some rows from some of them. One thread. Fewer than `count` where rows coincide.
Matrix<float> lloyd(const Points& points, std::span<const std::uint32_t> rows, std::uint32_t count) {
  count = static_cast<std::uint32_t>(std::min<std::size_t>(count, rows.size()));
  Matrix<float> centroids = Matrix<float>::zeroed(count, points.codes.code_bytes);
  const std::vector<std::uint32_t> first = sampled_rows(rows.size(), count);
  for (std::uint32_t c = 0; c < count; ++c) points.add(rows[first[c]], centroids.row(c));
  Groups groups;
  for (int step = 0; step < lloyd_steps; ++step) {
    const Matrix<std::uint32_t> own = nearest(points, rows, encode(centroids, points), 1);
    groups = group(rows, {own.data(), own.size()}, count);
    for (std::uint32_t c = 0; c < count; ++c) move_to_mean(points, groups.of(c), centroids.row(c));
  }
  std::uint32_t kept = 0;
  for (std::uint32_t c = 0; c < count; ++c)
    if (!groups.of(c).empty()) std::copy_n(centroids.row(c), centroids.cols(), centroids.row(kept++));
  Matrix<float> out(kept, centroids.cols());
  std::copy_n(centroids.data(), out.size(), out.data());
  return out;
}

Matrix<float> reordered(const Matrix<float>& rows) {
  const std::vector<std::uint32_t> order = bisection_order(rows);
  Matrix<float> out(rows.rows(), rows.cols());
  for (std::size_t i = 0; i < order.size(); ++i) std::copy_n(rows.row(order[i]), rows.cols(), out.row(i));
  return out;
}

// `nearest`, in parallel.
Matrix<std::uint32_t> nearest_supers(int threads, const Points& points, std::span<const std::uint32_t> rows,
                                     const CentroidPanels& supers, std::uint32_t some) {
  constexpr std::size_t part = 16 * chunk_rows;
  Matrix<std::uint32_t> found(rows.size(), some);
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
  for (std::size_t begin = 0; begin < rows.size(); begin += part) {
    const auto share = nearest(points, rows.subspan(begin, std::min(part, rows.size() - begin)), supers, some);
    std::copy_n(share.data(), share.size(), found.row(begin));
  }
  return found;
}

// The lists nearest to `rows` (indices into the codes): rows.size() x probes.
Matrix<std::uint32_t> find_lists(int threads, const Points& points, std::span<const std::uint32_t> rows,
                                 const ListCentroids& centroids, std::uint32_t probes) {
  const std::uint32_t supers = centroids.supers.count;
  // Lists of so many super-centroids, and of enough for the probes to be a quarter of them.
  const std::uint32_t wanted =
      std::max(near_supers, static_cast<std::uint32_t>(4 * std::uint64_t{probes} * supers / centroids.lists));
  const std::uint32_t some = std::min(supers, wanted);
  const Matrix<std::uint32_t> near = nearest_supers(threads, points, rows, centroids.supers, some);
  // Rows with the same two nearest super-centroids share most of the others: they are compared together, with what any
  // of them needs.
  const std::vector<std::uint32_t> order = [&] {
    std::vector<std::uint32_t> every(rows.size()), key(rows.size());
    std::iota(every.begin(), every.end(), 0u);
    for (std::size_t i = 0; i < rows.size(); ++i) key[i] = near(i, 0) * supers + near(i, std::min(1u, some - 1));
    return group(every, key, supers * supers).members;
  }();
  Matrix<std::uint32_t> found(rows.size(), probes);
#pragma omp parallel num_threads(threads)
  {
    GatheredRows gathered(chunk_rows, points.codes.code_bytes, 0);
    ScoreTable table;
    std::vector<std::uint32_t> picked(chunk_rows);
    std::vector<char> asked_for(supers);
#pragma omp for schedule(dynamic, 1)
    for (std::size_t begin = 0; begin < rows.size(); begin += chunk_rows) {
      const std::size_t count = std::min<std::size_t>(chunk_rows, rows.size() - begin);
      std::fill(asked_for.begin(), asked_for.end(), 0);
      for (std::size_t i = 0; i < count; ++i) {
        picked[i] = rows[order[begin + i]];
        for (std::uint32_t r = 0; r < some; ++r) asked_for[near(order[begin + i], r)] = 1;
      }
      gathered.load(points.codes, std::span(picked).first(count), false);
      std::uint32_t columns = 0;
      for (std::uint32_t s = 0; s < supers; ++s)
        if (asked_for[s] != 0) columns += padded(centroids.of_super[s].count);
      table.clear(columns);
      for (std::uint32_t s = 0; s < supers; ++s)
        if (asked_for[s] != 0) table.add(points.backend, gathered, centroids.of_super[s], centroids.first_list[s]);
      for (std::uint32_t i = 0; i < count; ++i) table.nearest(i, probes, found.row(order[begin + i]));
    }
  }
  return found;
}

void encode_lists(ListCentroids& out, const std::vector<Matrix<float>>& lists, const Points& points) {
  for (std::size_t s = 0; s < lists.size(); ++s) out.of_super[s] = encode(lists[s], points);
}

}  // namespace

ListCentroids train_lists(Context& context, const FilterRows& codes, Metric metric, std::uint32_t list_rows) {
  const int threads = context.thread_count();
  const Points points = points_of(context, codes, metric);
  const std::uint64_t n = codes.count;
  const std::uint64_t wanted = std::max<std::uint64_t>(1, (n + list_rows / 2) / list_rows);
  const auto supers_wanted = static_cast<std::uint32_t>(std::sqrt(static_cast<double>(wanted)));
  const std::vector<std::uint32_t> sample = sampled_rows(n, wanted * points_per_list);

  ListCentroids out;
  const Matrix<float> supers = [&] {
    std::vector<std::uint32_t> some = sampled_rows(sample.size(), supers_wanted * points_per_super);
    for (std::uint32_t& row : some) row = sample[row];
    return reordered(lloyd(points, some, supers_wanted));
  }();
  const std::uint32_t count = static_cast<std::uint32_t>(supers.rows());
  out.supers = encode(supers, points);

  const Matrix<std::uint32_t> super_of = nearest_supers(threads, points, sample, out.supers, 1);
  const Groups by_super = group(sample, {super_of.data(), super_of.size()}, count);
  std::vector<Matrix<float>> lists(count);
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
  for (std::uint32_t s = 0; s < count; ++s) {
    const auto rows = by_super.of(s);
    const auto share = static_cast<std::uint32_t>((rows.size() * wanted + sample.size() / 2) / sample.size());
    if (!rows.empty()) lists[s] = reordered(lloyd(points, rows, std::max(1u, share)));
  }
  out.of_super.resize(count);
  out.first_list.assign(1, 0);
  for (std::uint32_t s = 0; s < count; ++s)
    out.first_list.push_back(out.first_list.back() + static_cast<std::uint32_t>(lists[s].rows()));
  out.lists = out.first_list.back();
  encode_lists(out, lists, points);

  // A few steps over all lists: borders between super-centroids are not those of lists.
  for (int step = 0; step < refine_steps; ++step) {
    const Matrix<std::uint32_t> found = find_lists(threads, points, sample, out, 1);
    const Groups groups = group(sample, {found.data(), found.size()}, out.lists);
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
    for (std::uint32_t s = 0; s < count; ++s)
      for (std::uint32_t c = 0; c < lists[s].rows(); ++c)
        move_to_mean(points, groups.of(out.first_list[s] + c), lists[s].row(c));
    encode_lists(out, lists, points);
  }
  return out;
}

Matrix<std::uint32_t> nearest_lists(Context& context, const FilterRows& codes, std::span<const std::uint32_t> rows,
                                    Metric metric, const ListCentroids& centroids, std::uint32_t probes) {
  return find_lists(context.thread_count(), points_of(context, codes, metric), rows, centroids, probes);
}

}  // namespace lowshot::knn
