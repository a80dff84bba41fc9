#include "knn/streamed_cells.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "knn/similarity.h"

namespace lowshot::knn {
namespace {

constexpr int lloyd_steps = 8;          // of few, large cells: later steps move borders that the margin bridges anyway
constexpr int price_steps = 40;         // cells even out to a few percent; sampling noise is as large
constexpr double most_mean_copies = 4;  // beyond, all pairs of blocks would cost as much
constexpr double fullest = 0.93;  // of a cell's capacity that the sample may fill: what it says of a cell of 1,000
                                  // sample rows is right to 3 percent (one standard deviation)
constexpr int rounds = 8;
constexpr int balances = 3;  // prices depend on the margin and the margin on them

std::uint64_t fewest_cells(std::uint64_t rows, std::uint64_t capacity) {
  return std::max<std::uint64_t>(2, (rows + capacity - 1) / capacity + 1);
}

// scores: sample x cells.
Matrix<float> score_all(Context& context, MatrixView<const float> rows, const Cells& cells) {
  Matrix<float> scores(rows.rows(), cells.count());
#pragma omp parallel for num_threads(context.thread_count()) schedule(static)
  for (std::size_t i = 0; i < rows.rows(); ++i) cells.score(rows.row(i), scores.row(i));
  return scores;
}

void set_offsets(Cells& cells) {
  const std::size_t dim = cells.centroids.cols();
  for (std::uint32_t c = 0; c < cells.count(); ++c)
    cells.offset[c] = -inner_product(cells.centroids.row(c), cells.centroids.row(c), dim) / 2;
}

// k-means from rows evenly spaced in the sample.
Cells train(Context& context, MatrixView<const float> sample, std::uint32_t count) {
  const std::size_t dim = sample.cols();
  Cells cells{Matrix<float>(count, dim), std::vector<float>(count, 0), 0};
  for (std::uint32_t c = 0; c < count; ++c)
    std::copy_n(sample.row(sample.rows() * c / count), dim, cells.centroids.row(c));
  for (int step = 0; step < lloyd_steps; ++step) {
    set_offsets(cells);
    const Matrix<float> scores = score_all(context, sample, cells);
    std::vector<std::uint32_t> nearest(sample.rows());
    for (std::size_t i = 0; i < sample.rows(); ++i)
      nearest[i] = static_cast<std::uint32_t>(std::max_element(scores.row(i), scores.row(i) + count) - scores.row(i));
#pragma omp parallel for num_threads(context.thread_count()) schedule(dynamic, 1)
    for (std::uint32_t c = 0; c < count; ++c) {
      std::vector<double> sum(dim, 0.0);
      double members = 0;
      for (std::size_t i = 0; i < sample.rows(); ++i) {
        if (nearest[i] != c) continue;
        ++members;
        for (std::size_t j = 0; j < dim; ++j) sum[j] += sample(i, j);
      }
      for (std::size_t j = 0; members != 0 && j < dim; ++j)
        cells.centroids(c, j) = static_cast<float>(sum[j] / members);
    }
  }
  set_offsets(cells);
  return cells;
}

// Evens out the cells: each asks a price, raised while it holds more than its share, copies counted.
void set_prices(Cells& cells, MatrixView<const float> scores) {
  const std::size_t rows = scores.rows(), count = cells.count();
  double gap = 0;  // between the two best cells of a row: what prices are measured in
  std::vector<float> price(count, 0), best_price(count, 0), priced(count);
  std::size_t best_largest = SIZE_MAX;
  for (int step = 0; step < price_steps; ++step) {
    std::vector<std::size_t> members(count, 0);
    std::size_t all = 0;
    for (std::size_t i = 0; i < rows; ++i) {
      float first = -std::numeric_limits<float>::infinity(), second = first;
      for (std::size_t c = 0; c < count; ++c) {
        priced[c] = scores(i, c) - price[c];
        second = std::max(second, std::min(first, priced[c]));
        first = std::max(first, priced[c]);
      }
      for (std::size_t c = 0; c < count; ++c)
        if (priced[c] >= first - cells.margin) ++members[c], ++all;
      if (step == 0) gap += (first - second) / static_cast<double>(rows);
    }
    const std::size_t largest = *std::max_element(members.begin(), members.end());
    if (largest < best_largest) best_largest = largest, best_price = price;
    const double pace = 0.6 * gap * (1 - 0.5 * step / price_steps);
    for (std::size_t c = 0; c < count; ++c) {
      const double share = static_cast<double>(members[c]) * static_cast<double>(count) / static_cast<double>(all);
      price[c] += static_cast<float>(pace * std::clamp(share - 1, -1.0, 1.0));
    }
  }
  for (std::size_t c = 0; c < count; ++c) cells.offset[c] -= best_price[c];
}

// For each pair the smallest margin with which its ends meet.
std::vector<float> meeting_margins(const TruePairs& truth, MatrixView<const float> scores) {
  std::vector<float> best(scores.rows());
  for (std::size_t i = 0; i < scores.rows(); ++i)
    best[i] = *std::max_element(scores.row(i), scores.row(i) + scores.cols());
  std::vector<float> margins;
  for (const auto& [a, b] : truth.pairs) {
    float least = std::numeric_limits<float>::infinity();
    for (std::size_t c = 0; c < scores.cols(); ++c)
      least = std::min(least, std::max(best[a] - scores(a, c), best[b] - scores(b, c)));
    margins.push_back(least);
  }
  return margins;
}

struct Load {
  double copies = 0, largest = 0;
};

Load load_of(const Cells& cells, MatrixView<const float> scores) {
  std::vector<std::size_t> members(cells.count(), 0);
  std::size_t sum = 0;
  std::uint32_t chosen[Cells::most_copies];
  for (std::size_t i = 0; i < scores.rows(); ++i) {
    const std::uint32_t copies = cells.choose(scores.row(i), chosen);
    for (std::uint32_t j = 0; j < copies; ++j) ++members[chosen[j]];
    sum += copies;
  }
  const double rows = static_cast<double>(scores.rows());
  return {static_cast<double>(sum) / rows,
          static_cast<double>(*std::max_element(members.begin(), members.end())) / rows};
}

// The smallest margin that makes a share of the pairs meet, unless rows would stand in too many cells.
void set_margin(Cells& cells, const std::vector<float>& margins, MatrixView<const float> scores, double coverage) {
  std::vector<float> sorted = margins;
  std::sort(sorted.begin(), sorted.end());
  auto place = std::min<std::size_t>(
      sorted.size(), static_cast<std::size_t>(std::ceil(coverage * static_cast<double>(sorted.size()))));
  cells.margin = place == 0 ? 0 : sorted[place - 1];
  while (place > 1 && load_of(cells, scores).copies > most_mean_copies) {
    place = place * 9 / 10;
    cells.margin = sorted[place == 0 ? 0 : place - 1];
  }
}

double share_within(const std::vector<float>& margins, float margin) {
  const auto meet = std::count_if(margins.begin(), margins.end(), [&](float m) { return m <= margin; });
  return margins.empty() ? 1 : static_cast<double>(meet) / static_cast<double>(margins.size());
}

}  // namespace

void Cells::score(const float* row, float* scores) const {
  for (std::uint32_t c = 0; c < count(); ++c)
    scores[c] = inner_product(row, centroids.row(c), centroids.cols()) + offset[c];
}

std::uint32_t Cells::choose(const float* scores, std::uint32_t* chosen) const {
  const float least = *std::max_element(scores, scores + count()) - margin;
  std::uint32_t filled = 0;
  for (std::uint32_t c = 0; c < count(); ++c) {
    if (scores[c] < least) continue;
    std::uint32_t at = filled;  // insertion into the few best
    if (filled == most_copies) {
      if (scores[c] <= scores[chosen[filled - 1]]) continue;
      --at;
    } else {
      ++filled;
    }
    for (; at > 0 && scores[chosen[at - 1]] < scores[c]; --at) chosen[at] = chosen[at - 1];
    chosen[at] = c;
  }
  return filled;
}

std::uint64_t most_cells(std::uint64_t rows, std::uint64_t capacity) {
  return 8 * fewest_cells(rows, capacity);
}

CellChoice choose_cells(Context& context, MatrixView<const float> sample, const TruePairs& truth, std::uint64_t rows,
                        std::uint64_t capacity, double wanted_coverage) {
  const double room = fullest * static_cast<double>(capacity) / static_cast<double>(rows);  // largest share of a cell
  const std::uint64_t most = std::min<std::uint64_t>(most_cells(rows, capacity), sample.rows());
  std::uint64_t count = std::min(most, fewest_cells(rows, capacity));
  CellChoice choice;
  for (int round = 0; round < rounds; ++round) {
    Cells cells = train(context, sample, static_cast<std::uint32_t>(count));
    Matrix<float> scores = score_all(context, sample, cells);
    std::vector<float> margins;
    for (int balance = 0; balance < balances; ++balance) {
      set_prices(cells, scores);
      scores = score_all(context, sample, cells);
      margins = meeting_margins(truth, score_all(context, truth.ends, cells));
      set_margin(cells, margins, scores, wanted_coverage);
    }
    const Load load = load_of(cells, scores);
    choice = {std::move(cells), load.copies, 0, load.largest};
    choice.coverage = share_within(margins, choice.cells.margin);
    context.detail(
        fmt::format("{} cells: {:.2f} copies a row, the largest holds {:.1f} % of the rows, {:.2f} % of the "
                    "pairs meet",
                    count, load.copies, 100 * load.largest, 100 * choice.coverage));
    if (load.largest <= room || count == most) break;
    // More cells are smaller but have more borders: as many more as they are too large, at least one.
    count = std::min(most, std::max(count + 1, static_cast<std::uint64_t>(std::ceil(
                                                   static_cast<double>(count) * std::min(2.0, load.largest / room)))));
  }
  return choice;
}

}  // namespace lowshot::knn
