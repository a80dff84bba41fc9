// check_knn against the definition of recall in float64, and every defect that it counts; summarise_knn on small tables
// that can be counted by hand.
#include "lowshot/knn_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "lowshot/error.h"
#include "oracle/files.h"
#include "oracle/made_up_rows.h"
#include "oracle/memory_rows.h"

namespace lowshot {
namespace {

constexpr float none = -std::numeric_limits<float>::infinity();

// Rows, their exact table and the place where a test stores its own version of it.
struct Fixture {
  explicit Fixture(std::size_t n, std::uint32_t k, Metric metric = Metric::inner_product)
      : rows(oracle::make_rows(metric == Metric::l2 ? oracle::Shape::gaussian : oracle::Shape::unit, n, 20, 3)),
        source(rows),
        files(knn_file_names(directory / "t", k, TableFormat::raw)),
        options{.sample = n, .metric = metric, .normalise = false} {
    table = build_knn(context, MatrixView<const float>(rows.values.data(), n, 20), {.k = k, .metric = metric});
  }

  KnnCheck check() {
    write_knn(files, table);
    return check_knn(context, StoredKnn(files), source, options);
  }

  Context context;
  fixtures::TemporaryDirectory directory;
  oracle::MadeUpRows rows;
  oracle::MemoryRows source;
  KnnFiles files;
  KnnCheckOptions options;
  KnnTable table;
};

// The definition, slowly: of the k-1 nearest other rows, how many does row i of the table return?
double slow_recall(const Fixture& f, std::size_t k) {
  const std::size_t n = f.rows.n;
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    std::vector<double> similarity(n);
    for (std::size_t j = 0; j < n; ++j)
      for (std::size_t c = 0; c < f.rows.d; ++c) {
        const double a = f.rows.values[i * f.rows.d + c], b = f.rows.values[j * f.rows.d + c];
        similarity[j] += f.options.metric == Metric::l2 ? -(a - b) * (a - b) : a * b;
      }
    std::vector<double> others;
    for (std::size_t j = 0; j < n; ++j)
      if (j != i) others.push_back(similarity[j]);
    std::sort(others.rbegin(), others.rend());
    const std::size_t wanted = std::min(k, n) - 1;
    std::vector<NodeId> returned(f.table.ids.row(i), f.table.ids.row(i) + k);
    std::sort(returned.begin(), returned.end());
    returned.erase(std::unique(returned.begin(), returned.end()), returned.end());
    std::size_t found = 0;
    for (const NodeId j : returned)
      if (j < n && j != i && similarity[j] >= others[wanted - 1] - 1e-6) ++found;
    sum += static_cast<double>(std::min(found, wanted)) / static_cast<double>(wanted);
  }
  return sum / static_cast<double>(n);
}

TEST(CheckKnn, AnExactTableIsPerfect) {
  for (const Metric metric : {Metric::inner_product, Metric::l2}) {
    Fixture f(500, 8, metric);
    const KnnCheck c = f.check();
    EXPECT_EQ(c.rows, 500u);
    EXPECT_EQ(c.recall, 1.0);
    EXPECT_EQ(c.similarities, 4000u);
    EXPECT_EQ(c.largest_difference, 0);
    EXPECT_EQ(c.ids_out_of_range + c.empty_places + c.repeated_ids + c.unsorted_rows + c.self_absent, 0u);
    EXPECT_EQ(c.self_first, 500u);
  }
}

TEST(CheckKnn, RecallIsTheDefinitions) {
  for (const Metric metric : {Metric::inner_product, Metric::l2}) {
    Fixture f(400, 8, metric);
    for (std::size_t i = 0; i < f.table.rows(); ++i) {
      f.table.ids(i, 3) = static_cast<NodeId>((i * 7 + 13) % 400);  // mostly wrong
      if (i % 2 == 0) f.table.ids(i, 5) = f.table.ids(i, 4);        // repeated
      if (i % 3 == 0) f.table.ids(i, 0) = no_node;                  // itself absent
      if (i % 5 == 0) f.table.ids(i, 7) = no_node;
    }
    const double expected = slow_recall(f, 8);
    EXPECT_LT(expected, 0.9);
    EXPECT_NEAR(*f.check().recall, expected, 1e-12);
  }
}

TEST(CheckKnn, TiesAreAsGoodAsTheTrueOnes) {
  Fixture f(64, 4);
  for (std::size_t i = 1; i < 64; ++i) std::copy_n(f.rows.row(0), 20, f.rows.row(i));
  f.source = oracle::MemoryRows(f.rows);
  for (std::size_t i = 0; i < 64; ++i)
    for (std::uint32_t j = 0; j < 4; ++j) f.table.ids(i, j) = static_cast<NodeId>((i + j * 9) % 64);
  EXPECT_EQ(f.check().recall, 1.0);
}

TEST(CheckKnn, CountsEveryDefect) {
  Fixture f(100, 4);
  f.options.sample = 100;
  f.table.ids(0, 1) = f.table.ids(0, 2);
  std::swap(f.table.ids(1, 0), f.table.ids(1, 1));
  f.table.ids(2, 0) = no_node;
  std::swap(f.table.similarities(3, 1), f.table.similarities(3, 3));
  f.table.similarities(4, 2) = std::numeric_limits<float>::quiet_NaN();
  f.table.ids(50, 3) = 100;
  f.table.ids(60, 3) = 0x80000000u;  // -2147483648
  const KnnCheck c = f.check();
  EXPECT_EQ(c.repeated_ids, 1u);
  EXPECT_EQ(c.self_first, 98u);
  EXPECT_EQ(c.self_later, 1u);
  EXPECT_EQ(c.self_absent, 1u);
  EXPECT_EQ(c.empty_places, 1u);
  EXPECT_EQ(c.unsorted_rows, 3u);  // rows 2 (a hole first), 3 and 4
  EXPECT_EQ(c.ids_out_of_range, 2u);
  EXPECT_EQ(c.first_bad_row, 50u);
  EXPECT_EQ(c.first_bad_id, 100);
}

TEST(CheckKnn, SimilaritiesOfOtherRows) {
  Fixture f(200, 8);
  for (std::size_t i = 0; i < 200; ++i) f.table.similarities(i, 6) += 0.01f;
  const KnnCheck c = f.check();
  EXPECT_EQ(c.wrong_similarities, 200u);
  EXPECT_NEAR(c.largest_difference, 0.01, 1e-4);
}

TEST(CheckKnn, FewColumnsAndFewRows) {
  Fixture one(1, 4);
  KnnCheck c = one.check();
  EXPECT_FALSE(c.recall.has_value());
  EXPECT_EQ(c.empty_places, 3u);
  Fixture f(30, 8);
  f.options.k = 1;
  EXPECT_FALSE(f.check().recall.has_value());
  f.options.k = 9;
  EXPECT_THROW(f.check(), Error);
  Fixture small(5, 8);
  EXPECT_EQ(small.check().recall, 1.0);
}

TEST(CheckKnn, SampleAndThreads) {
  Fixture f(300, 8);
  for (std::size_t i = 0; i < 150; ++i) f.table.ids(i, 5) = f.table.ids(i, 4);  // how many of them a sample has differs
  f.options.sample = 40;
  f.context.threads = 1;
  const KnnCheck one = f.check();
  f.context.threads = 2;
  const KnnCheck two = f.check();
  f.options.seed = 1;
  const KnnCheck other = f.check();
  EXPECT_EQ(one.sampled, 40u);
  EXPECT_EQ(one.recall, two.recall);
  EXPECT_EQ(one.similarities, two.similarities);
  EXPECT_NE(one.recall, other.recall);
}

TEST(CheckKnn, RefusesOtherDescriptors) {
  Fixture f(100, 4);
  f.source = oracle::MemoryRows({99, 20, std::vector<float>(99 * 20, 1)});
  EXPECT_THROW(f.check(), Error);
}

KnnTable table_of(const std::vector<std::vector<NodeId>>& ids, const std::vector<std::vector<float>>& similarities) {
  KnnTable table{Matrix<NodeId>(ids.size(), ids[0].size()), Matrix<float>(ids.size(), ids[0].size())};
  for (std::size_t i = 0; i < ids.size(); ++i) {
    std::copy(ids[i].begin(), ids[i].end(), table.ids.row(i));
    std::copy(similarities[i].begin(), similarities[i].end(), table.similarities.row(i));
  }
  return table;
}

TEST(SummariseKnn, CountedByHand) {
  // 0 <-> 1 <- 2, 3 alone, 4 -> 5 (5 has no neighbour at all).
  const KnnTable table = table_of(
      {{0, 1, no_node},
       {1, 0, no_node},
       {2, 1, 0},
       {3, no_node, no_node},
       {5, no_node, no_node},
       {no_node, no_node, no_node}},
      {{1, 0.9f, none}, {1, 0.9f, none}, {1, 0.5f, 0.25f}, {1, none, none}, {0.75f, none, none}, {none, none, none}});
  Context context;
  const KnnSummary s = summarise_knn(context, table);
  EXPECT_EQ(s.rows, 6u);
  EXPECT_EQ(s.k, 3u);
  EXPECT_EQ(s.least_filled, 0u);
  EXPECT_DOUBLE_EQ(s.mean_filled, 9.0 / 6);
  EXPECT_EQ(s.components, 3u);
  EXPECT_EQ(s.largest_component, 3u);
  EXPECT_EQ(s.largest_in_degree, 2u);
  EXPECT_DOUBLE_EQ(s.mean_in_degree, 5.0 / 6);
  EXPECT_DOUBLE_EQ(s.never_named, 3.0 / 6);  // 2, 3 and 4
  EXPECT_DOUBLE_EQ(s.mutual, 2.0 / 5);
  EXPECT_EQ(s.first.count, 5u);
  EXPECT_DOUBLE_EQ(s.first.min, 0.75);
  EXPECT_EQ(s.other.count, 4u);
  EXPECT_FLOAT_EQ(static_cast<float>(s.other.max), 0.9f);
  EXPECT_EQ(s.last.count, 1u);
  EXPECT_DOUBLE_EQ(s.last.median, 0.25);
}

TEST(SummariseKnn, Empty) {
  Context context;
  const KnnSummary s = summarise_knn(context, {Matrix<NodeId>(0, 4), Matrix<float>(0, 4)});
  EXPECT_EQ(s.rows, 0u);
  EXPECT_EQ(s.components, 0u);
  EXPECT_EQ(s.first.count, 0u);
}

}  // namespace
}  // namespace lowshot
