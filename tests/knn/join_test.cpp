// KnnMethod::join: what it promises about recall, form and determinism, on rows that suit lists and on rows that do
// not.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <set>

#include "core/half.h"
#include "lowshot/knn.h"
#include "lowshot/node_order.h"
#include "oracle/neighbours.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using oracle::context_of;
using oracle::MadeUpRows;
using oracle::make_rows;
using oracle::Shape;
using oracle::view;

KnnOptions join_options(std::uint32_t k, double recall, Metric metric = Metric::inner_product) {
  KnnOptions options;
  options.k = k;
  options.metric = metric;
  options.method = KnnMethod::join;
  options.recall = recall;
  return options;
}

KnnOptions exact_options(std::uint32_t k, Metric metric = Metric::inner_product) {
  KnnOptions options = join_options(k, 0.95, metric);
  options.method = KnnMethod::exact;
  return options;
}

// The mean share of the true neighbours (`self`: the row itself not counted) that a table holds, over all rows.
// Similarities within `tie` of the true last one count.
double recall_of(const KnnTable& table, const KnnTable& truth, bool self, double tie) {
  double sum = 0;
  for (std::size_t i = 0; i < table.rows(); ++i) {
    std::size_t others = 0, found = 0;
    double last = 0;
    for (std::size_t j = 0; j < truth.k(); ++j)
      if (truth.ids(i, j) != no_node && !(self && truth.ids(i, j) == i) && others + (self ? 1 : 0) < truth.k())
        ++others, last = truth.similarities(i, j);
    for (std::size_t j = 0; j < table.k(); ++j)
      if (table.ids(i, j) != no_node && !(self && table.ids(i, j) == i) && table.similarities(i, j) >= last - tie)
        ++found;
    sum += others == 0 ? 1 : static_cast<double>(std::min(found, others)) / static_cast<double>(others);
  }
  return sum / static_cast<double>(table.rows());
}

// Sorted, no repeats, similarities those that the exact search gives for the same pair, empty places last.
void expect_form(const KnnTable& table, std::size_t rows) {
  for (std::size_t i = 0; i < table.rows(); ++i) {
    std::set<NodeId> seen;
    for (std::size_t j = 0; j < table.k(); ++j) {
      const NodeId id = table.ids(i, j);
      if (id == no_node) {
        ASSERT_TRUE(j + 1 == table.k() || table.ids(i, j + 1) == no_node);
        continue;
      }
      ASSERT_LT(id, rows);
      ASSERT_TRUE(seen.insert(id).second) << "row " << i << " holds " << id << " twice";
      if (j == 0) continue;
      const float before = table.similarities(i, j - 1), here = table.similarities(i, j);
      ASSERT_TRUE(before > here || (before == here && table.ids(i, j - 1) < id)) << "row " << i << ", place " << j;
    }
  }
}

void expect_same_bits(const KnnTable& a, const KnnTable& b) {
  ASSERT_EQ(a.ids.size(), b.ids.size());
  EXPECT_EQ(std::memcmp(a.ids.data(), b.ids.data(), a.ids.size() * sizeof(NodeId)), 0);
  EXPECT_EQ(std::memcmp(a.similarities.data(), b.similarities.data(), a.ids.size() * sizeof(float)), 0);
}

// Every shape, scales from 1e-22 to 1e4 among them: the recall that is reported is reached over all rows.
TEST(JoinKnn, ReachesTheRecallItReportsOnEveryShape) {
  for (const Shape shape : oracle::all_shapes)
    for (const Metric metric : {Metric::inner_product, Metric::l2})
      for (const Isa isa : oracle::machine_isas()) {
        SCOPED_TRACE(std::string(oracle::name(shape)) + (metric == Metric::l2 ? ", l2, " : ", ip, ") +
                     std::string(name(isa)));
        const MadeUpRows rows = make_rows(shape, 2000, 40, 3);
        Context context = context_of(isa, 2);
        KnnReport report;
        const KnnTable table = build_knn(context, view(rows), join_options(12, 0.9, metric), &report);
        ASSERT_NO_FATAL_FAILURE(expect_form(table, rows.n));
        const KnnTable truth = build_knn(context, view(rows), exact_options(12, metric));
        const double recall = recall_of(table, truth, true, 1e-6);
        EXPECT_EQ(report.method, KnnMethod::join);
        EXPECT_GE(report.recall, 0.9);
        // 1,000 of 2,000 rows are looked at; a row's recall deviates by some 0.1.
        EXPECT_NEAR(report.recall, recall, 0.01);
      }
}

TEST(JoinKnn, HighRecallTakesMoreLists) {
  const MadeUpRows rows = make_rows(Shape::gaussian, 4000, 24, 4);
  Context context = context_of(best_isa(), 2);
  KnnReport low, high;
  const KnnTable some = build_knn(context, view(rows), join_options(20, 0.7), &low);
  const KnnTable most = build_knn(context, view(rows), join_options(20, 0.995), &high);
  const KnnTable truth = build_knn(context, view(rows), exact_options(20));
  EXPECT_LT(low.probes, high.probes);
  EXPECT_GE(recall_of(most, truth, true, 1e-6), 0.99);
  EXPECT_LT(recall_of(some, truth, true, 1e-6), recall_of(most, truth, true, 1e-6));
}

TEST(JoinKnn, DoesNotDependOnTheThreads) {
  const MadeUpRows rows = make_rows(Shape::clustered, 5000, 33, 5), queries = make_rows(Shape::clustered, 700, 33, 6);
  for (const Isa isa : oracle::machine_isas()) {
    Context one = context_of(isa, 1);
    KnnReport first;
    const KnnTable expected = build_knn(one, view(rows), join_options(16, 0.9), &first);
    const KnnTable searched = search_knn(one, view(queries), view(rows), join_options(16, 0.9));
    for (const int threads : {2, 3, 7}) {
      Context context = context_of(isa, threads);
      KnnReport report;
      expect_same_bits(build_knn(context, view(rows), join_options(16, 0.9), &report), expected);
      EXPECT_EQ(report.order, first.order);
      expect_same_bits(search_knn(context, view(queries), view(rows), join_options(16, 0.9)), searched);
    }
  }
}

TEST(JoinKnn, HandlesSmallSets) {
  for (const std::size_t n : {1, 2, 15, 16, 17, 255, 256, 257, 513}) {
    SCOPED_TRACE(n);
    const MadeUpRows rows = make_rows(Shape::unit, n, 8, 7);
    Context context = context_of(best_isa(), 2);
    for (const std::uint32_t k : {1u, 5u, 32u}) {
      const KnnTable table = build_knn(context, view(rows), join_options(k, 0.99));
      ASSERT_NO_FATAL_FAILURE(expect_form(table, n));
      EXPECT_GE(recall_of(table, build_knn(context, view(rows), exact_options(k)), true, 1e-6), 0.98);
    }
  }
}

// A few rows thousands of times, and a knot of rows nearer to each other than 8 bits can tell: lists that would hold
// them all are cut, copies are found as far as they can be told apart, and what is lost in the knot is not passed over.
TEST(JoinKnn, CopiesAndKnotsAreNoTrouble) {
  MadeUpRows rows = make_rows(Shape::unit, 12000, 24, 8);
  for (std::size_t i = 0; i < 8000; ++i) std::copy_n(rows.row(8000 + i % 3), rows.d, rows.row(i));
  std::mt19937 random(9);
  std::normal_distribution<float> noise(0, 1e-4f);
  for (std::size_t i = 8100; i < 10000; ++i)
    for (std::size_t j = 0; j < rows.d; ++j) rows.row(i)[j] = rows.row(8100)[j] + noise(random);
  Context context = context_of(best_isa(), 2);
  KnnReport report;
  const KnnTable table = build_knn(context, view(rows), join_options(10, 0.9), &report);
  ASSERT_NO_FATAL_FAILURE(expect_form(table, rows.n));
  const KnnTable truth = build_knn(context, view(rows), exact_options(10));
  EXPECT_NEAR(recall_of(table, truth, true, 1e-6), report.recall, 0.01);
  for (std::size_t i = 0; i < 8000; i += 97) EXPECT_GE(table.similarities(i, 9), 1 - 1e-6) << i;
}

TEST(JoinKnn, HalfRowsAreSearchedAsTheyAre) {
  MadeUpRows rows = make_rows(Shape::clustered, 3000, 32, 10);
  Matrix<Half> half(rows.n, rows.d);
  for (std::size_t e = 0; e < rows.values.size(); ++e) {
    half.data()[e] = to_half(rows.values[e]);
    rows.values[e] = to_float(half.data()[e]);
  }
  Context context = context_of(best_isa(), 2);
  const DescriptorView halves(MatrixView<const Half>(half.data(), rows.n, rows.d), {});
  expect_same_bits(build_knn(context, halves, join_options(9, 0.9)),
                   build_knn(context, view(rows), join_options(9, 0.9)));
}

TEST(JoinKnn, ExtendsATableWithoutComparingItsRowsAgain) {
  const MadeUpRows rows = make_rows(Shape::clustered, 5000, 32, 11);
  Context context = context_of(best_isa(), 2);
  const KnnTable truth = build_knn(context, view(rows), exact_options(15));
  for (const std::size_t old : {0u, 1u, 2500u, 4900u}) {
    SCOPED_TRACE(old);
    KnnReport report;
    const KnnTable before = build_knn(context, view(rows, 0, old), exact_options(15));
    const KnnTable table =
        extend_knn(context, before, view(rows, 0, old), view(rows, old, rows.n), join_options(15, 0.95), &report);
    ASSERT_NO_FATAL_FAILURE(expect_form(table, rows.n));
    EXPECT_GE(recall_of(table, truth, true, 1e-6), 0.94);
    EXPECT_NEAR(recall_of(table, truth, true, 1e-6), report.recall, 0.01);
  }
}

TEST(JoinKnn, FindsNeighboursOfNewRows) {
  const MadeUpRows x = make_rows(Shape::clustered, 5000, 32, 12), queries = make_rows(Shape::gaussian, 900, 32, 13);
  Context context = context_of(best_isa(), 2);
  for (const MadeUpRows* asked : {&x, &queries}) {
    KnnReport report;
    const KnnTable table = search_knn(context, view(*asked), view(x), join_options(15, 0.9), &report);
    const KnnTable truth = search_knn(context, view(*asked), view(x), exact_options(15));
    ASSERT_NO_FATAL_FAILURE(expect_form(table, x.n));
    EXPECT_GE(report.recall, 0.9);
    EXPECT_NEAR(recall_of(table, truth, false, 1e-6), report.recall, 0.015);
    const KnnTable half = search_knn(context, view(*asked), view(x, 0, 2500), exact_options(15));
    const KnnTable both =
        extend_search_knn(context, half, view(*asked), view(x, 2500, x.n), 2500, join_options(15, 0.99));
    ASSERT_NO_FATAL_FAILURE(expect_form(both, x.n));
    EXPECT_GE(recall_of(both, truth, false, 1e-6), 0.98);
  }
}

TEST(JoinKnn, KeepsToTheEffortItIsGiven) {
  const MadeUpRows rows = make_rows(Shape::gaussian, 4000, 48, 14);
  Context context = context_of(best_isa(), 2);
  KnnOptions options = join_options(20, 0.99);
  options.effort = {.probes = 3, .list_rows = 100, .sample = 50};
  KnnReport report;
  build_knn(context, view(rows), options, &report);
  EXPECT_EQ(report.probes, 3u);
  EXPECT_NEAR(report.lists, 40, 8);
  EXPECT_LT(report.recall, 0.9);
}

TEST(ClusterOrder, IsAPermutationInWhichNeighboursAreNear) {
  const MadeUpRows rows = make_rows(Shape::clustered, 6000, 32, 15);
  Context context = context_of(best_isa(), 2);
  const std::vector<NodeId> order = cluster_order(context, view(rows));
  std::vector<std::size_t> place(rows.n, rows.n);
  for (std::size_t p = 0; p < order.size(); ++p) place[order[p]] = p;
  ASSERT_EQ(order.size(), rows.n);
  ASSERT_TRUE(std::none_of(place.begin(), place.end(), [&](std::size_t p) { return p == rows.n; }));
  // Rows of a centre are 78 apart and more as they come; in the order they stand together.
  const KnnTable table = build_knn(context, view(rows), exact_options(10));
  std::size_t near = 0;
  for (std::size_t i = 0; i < rows.n; ++i)
    for (std::size_t j = 0; j < 10; ++j) {
      const std::size_t a = place[i], b = place[table.ids(i, j)];
      near += (a > b ? a - b : b - a) < 500 ? 1 : 0;
    }
  EXPECT_GT(near, rows.n * 9);
  EXPECT_TRUE(cluster_order(context, view(rows, 0, 0)).empty());
}

TEST(JoinKnn, PlansMemoryForWhatItHolds) {
  const std::uint64_t some = build_knn_memory(1000000, 256, join_options(32, 0.95));
  // Codes, reservoirs of 56 candidates and 36 list numbers a row; a gigabyte of float32 rows is in memory beside them.
  EXPECT_GT(some, 1000000u * (256 + 56 * 8 + 36 * 4));
  EXPECT_LT(some, 1024000000u);
  EXPECT_GT(build_knn_memory(1000000, 256, join_options(32, 0.99)), some);
  EXPECT_GT(build_knn_memory(2000000, 256, join_options(32, 0.95)), 2 * some);
}

TEST(JoinKnn, RefusesARecallThatIsNone) {
  const MadeUpRows rows = make_rows(Shape::unit, 10, 4, 1);
  Context context = context_of(best_isa(), 1);
  EXPECT_EQ(oracle::error_of([&] { build_knn(context, view(rows), join_options(3, 1.0)); }),
            "usage: recall must lie between 0 and 1 and is 1; 0.95 is usual; for 1 use the exact method");
  EXPECT_NE(oracle::error_of([&] { build_knn(context, view(rows), join_options(3, -1)); }), "nothing was thrown");
}

}  // namespace
}  // namespace lowshot
