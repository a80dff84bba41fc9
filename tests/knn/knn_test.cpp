#include "lowshot/knn.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <set>

#include "core/half.h"
#include "oracle/neighbours.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using oracle::context_of;
using oracle::MadeUpRows;
using oracle::make_rows;
using oracle::Shape;
using oracle::view;

constexpr float infinity = std::numeric_limits<float>::infinity();

using Ranking = std::vector<std::vector<oracle::Neighbour>>;

oracle::Similarity kind_of(Metric metric) {
  return metric == Metric::l2 ? oracle::Similarity::minus_squared_distance : oracle::Similarity::inner_product;
}

// Sorted, ties by id, no repeats, empty places last. Every similarity is the true one of its id within float32 rounding
// (oracle::similarity_error), and the id in place j is the j-th of the oracle or ties with it: two float32 scores can
// only change places when the true ones are within the rounding of
// both (together below 1e-5 for unit rows of 256 dimensions).
testing::AssertionResult is_table(const KnnTable& table, const MadeUpRows& queries, const MadeUpRows& x,
                                  const Ranking& ranking, Metric metric) {
  const auto wrong = [](const char* what, std::size_t i, std::size_t j) {
    return testing::AssertionFailure() << what << " in row " << i << ", place " << j;
  };
  if (table.rows() != queries.n) return testing::AssertionFailure() << table.rows() << " rows";
  std::vector<std::size_t> seen_by(x.n, queries.n);
  for (std::size_t i = 0; i < queries.n; ++i)
    for (std::size_t j = 0; j < table.k(); ++j) {
      const NodeId id = table.ids(i, j);
      const float s = table.similarities(i, j);
      if (j >= x.n) {
        if (id != no_node || s != -infinity) return wrong("no empty place", i, j);
        continue;
      }
      if (id >= x.n) return wrong("an impossible id", i, j);
      if (seen_by[id] == i) return wrong("an id for the second time", i, j);
      seen_by[id] = i;
      if (j > 0) {
        const float before = table.similarities(i, j - 1);
        if (before < s || (before == s && table.ids(i, j - 1) > id)) return wrong("not in order", i, j);
      }
      const oracle::Neighbour& expected = ranking[i][j];
      const bool same = static_cast<std::int64_t>(id) == expected.id;
      // Closer than any rounding error can be asked to be: most entries, and they need no more arithmetic.
      if (same && std::fabs(s - expected.similarity) <= std::ldexp(std::fabs(expected.similarity), -22)) continue;
      const float* expected_row = x.row(static_cast<std::size_t>(expected.id));
      const double error = oracle::similarity_error(kind_of(metric), queries.row(i), x.row(id), x.d);
      const double other = oracle::similarity_error(kind_of(metric), queries.row(i), expected_row, x.d);
      const double truth = oracle::similarity(kind_of(metric), queries.row(i), x.row(id), x.d);
      if (!(std::fabs(s - truth) <= error)) return wrong("a similarity too far from the true one", i, j);
      if (!same && !(std::fabs(truth - expected.similarity) <= error + other)) return wrong("a wrong neighbour", i, j);
    }
  return testing::AssertionSuccess();
}

void expect_same_bits(const KnnTable& a, const KnnTable& b) {
  ASSERT_EQ(a.rows(), b.rows());
  ASSERT_EQ(a.k(), b.k());
  if (a.ids.size() == 0) return;
  EXPECT_EQ(std::memcmp(a.ids.data(), b.ids.data(), a.ids.size() * sizeof(NodeId)), 0);
  EXPECT_EQ(std::memcmp(a.similarities.data(), b.similarities.data(), a.ids.size() * sizeof(float)), 0);
}

MadeUpRows part(const MadeUpRows& rows, std::size_t begin, std::size_t end) {
  MadeUpRows some{end - begin, rows.d, {}};
  some.values.assign(rows.values.begin() + static_cast<std::ptrdiff_t>(begin * rows.d),
                     rows.values.begin() + static_cast<std::ptrdiff_t>(end * rows.d));
  return some;
}

TEST(BuildKnn, IsTheOracleAroundEveryBlockEdge) {
  const MadeUpRows all = make_rows(Shape::clustered, 1025, 20, 11);
  for (const Metric metric : {Metric::inner_product, Metric::l2}) {
    std::set<std::size_t> sizes = {0, 1, 2, 31, 32, 33, 511, 512, 513, 1025};
    for (const std::size_t k : {30, 32, 1024}) sizes.insert({k - 1, k, k + 1});
    for (const std::size_t n : sizes) {
      const MadeUpRows rows = part(all, 0, n);
      const Ranking ranking = oracle::nearest(kind_of(metric), rows, rows);
      for (const std::uint32_t k : {1u, 30u, 32u, 1024u})
        for (const Isa isa : oracle::machine_isas()) {
          SCOPED_TRACE("n = " + std::to_string(n) + ", k = " + std::to_string(k) + ", " + std::string(name(isa)) +
                       (metric == Metric::l2 ? ", l2" : ""));
          Context context = context_of(isa, 1);
          const KnnTable table = build_knn(context, view(rows), {k, metric});
          ASSERT_EQ(table.k(), k);
          ASSERT_TRUE(is_table(table, rows, rows, ranking, metric));
        }
    }
  }
}

TEST(BuildKnn, IsTheOracleForEveryShape) {
  for (const Shape shape : oracle::all_shapes)
    for (const std::size_t d : {1, 5, 33, 96})
      for (const Metric metric : {Metric::inner_product, Metric::l2}) {
        const MadeUpRows rows = make_rows(shape, 203, d, 12);
        const Ranking ranking = oracle::nearest(kind_of(metric), rows, rows);
        for (const Isa isa : oracle::machine_isas()) {
          SCOPED_TRACE(std::string(oracle::name(shape)) + ", d = " + std::to_string(d) + ", " + std::string(name(isa)) +
                       (metric == Metric::l2 ? ", l2" : ""));
          Context context = context_of(isa, 1);
          ASSERT_TRUE(is_table(build_knn(context, view(rows), {7, metric}), rows, rows, ranking, metric));
        }
      }
}

TEST(BuildKnn, DoesNotDependOnInstructionSetOrThreads) {
  const MadeUpRows rows = make_rows(Shape::clustered, 3001, 48, 13);
  for (const Metric metric : {Metric::inner_product, Metric::l2}) {
    Context first = context_of(Isa::avx2, 1);
    const KnnTable expected = build_knn(first, view(rows), {30, metric});
    for (const Isa isa : oracle::machine_isas())
      for (const int threads : {1, 2, 5}) {
        Context context = context_of(isa, threads);
        expect_same_bits(build_knn(context, view(rows), {30, metric}), expected);
      }
  }
}

TEST(BuildKnn, GivesTiesToTheLowerIds) {
  // All rows equal: everyone's neighbours are 0 .. k-1.
  const MadeUpRows equal = make_rows(Shape::all_equal, 700, 17, 14);
  // Five copies of each of 140 rows, at i, i + 140, ...: with k = 3 the first three copies.
  MadeUpRows copies = make_rows(Shape::unit, 140, 17, 15);
  copies.n = 700;
  for (int copy = 0; copy < 4; ++copy)
    copies.values.insert(copies.values.end(), copies.values.begin(), copies.values.begin() + 140 * 17);
  for (const Metric metric : {Metric::inner_product, Metric::l2})
    for (const Isa isa : oracle::machine_isas()) {
      Context context = context_of(isa, 1);
      const KnnTable of_equal = build_knn(context, view(equal), {30, metric});
      for (std::size_t i = 0; i < 700; ++i)
        for (NodeId j = 0; j < 30; ++j) ASSERT_EQ(of_equal.ids(i, j), j);
      const KnnTable of_copies = build_knn(context, view(copies), {3, metric});
      for (std::size_t i = 0; i < 700; ++i)
        for (NodeId j = 0; j < 3; ++j) ASSERT_EQ(of_copies.ids(i, j), i % 140 + 140 * j) << "row " << i;
    }
}

TEST(BuildKnn, OfHalfRowsUsesTheirFactors) {
  // Multiples of 1/64 below 16 are exact in float16; the factors are powers of two, so the products are exact too.
  MadeUpRows rows = make_rows(Shape::gaussian, 300, 40, 16);
  for (float& value : rows.values) value = std::round(std::clamp(value, -15.0f, 15.0f) * 64) / 64;
  std::vector<Half> half(rows.values.size());
  convert(rows.values.data(), half.data(), half.size());
  std::vector<float> factor(rows.n);
  for (std::size_t i = 0; i < rows.n; ++i) {
    factor[i] = std::ldexp(1.0f, static_cast<int>(i % 5) - 2);
    for (std::size_t j = 0; j < rows.d; ++j) rows.row(i)[j] *= factor[i];
  }
  const DescriptorView halves({half.data(), rows.n, rows.d}, factor);
  for (const Metric metric : {Metric::inner_product, Metric::l2})
    for (const Isa isa : oracle::machine_isas()) {
      Context context = context_of(isa, 1);
      const Ranking ranking = oracle::nearest(kind_of(metric), rows, rows);
      ASSERT_TRUE(is_table(build_knn(context, halves, {9, metric}), rows, rows, ranking, metric));
      // Scaling by powers of two changes no rounding: the float32 rows give the same bits.
      expect_same_bits(build_knn(context, halves, {9, metric}), build_knn(context, view(rows), {9, metric}));
    }
}

TEST(ExtendKnn, IsTheFullBuild) {
  const MadeUpRows rows = make_rows(Shape::clustered, 1100, 24, 17);
  for (const Metric metric : {Metric::inner_product, Metric::l2})
    for (const Isa isa : oracle::machine_isas()) {
      Context context = context_of(isa, 1);
      const KnnOptions options{30, metric};
      const KnnTable full = build_knn(context, view(rows), options);
      for (const std::size_t old : {0, 1, 29, 30, 31, 512, 1099, 1100}) {
        const KnnTable table = build_knn(context, view(rows, 0, old), options);
        expect_same_bits(extend_knn(context, table, view(rows, 0, old), view(rows, old, 1100), options), full);
      }
      // In three parts, and from a table of more columns than are wanted.
      const KnnTable one = build_knn(context, view(rows, 0, 300), {64, metric});
      const KnnTable two = extend_knn(context, one, view(rows, 0, 300), view(rows, 300, 310), {33, metric});
      expect_same_bits(extend_knn(context, two, view(rows, 0, 310), view(rows, 310, 1100), options), full);
    }
}

TEST(SearchKnn, IsTheOracle) {
  const MadeUpRows all = make_rows(Shape::clustered, 700, 31, 18);
  for (const Metric metric : {Metric::inner_product, Metric::l2})
    for (const std::size_t m : {0, 1, 5, 150})
      for (const std::size_t n : {0, 1, 29, 513}) {
        const MadeUpRows queries = part(all, 0, m), x = part(all, m, m + n);
        const Ranking ranking = oracle::nearest(kind_of(metric), queries, x);
        for (const Isa isa : oracle::machine_isas()) {
          SCOPED_TRACE("m = " + std::to_string(m) + ", n = " + std::to_string(n) + ", " + std::string(name(isa)));
          Context context = context_of(isa, 1);
          const KnnTable table = search_knn(context, view(queries), view(x), {30, metric});
          ASSERT_TRUE(is_table(table, queries, x, ranking, metric));
          // In two parts the same.
          for (const std::size_t first : {std::size_t{0}, n / 3, n}) {
            const KnnTable half = search_knn(context, view(queries), view(x, 0, first), {30, metric});
            expect_same_bits(extend_search_knn(context, half, view(queries), view(x, first, n), first, {30, metric}),
                             table);
          }
        }
      }
}

TEST(SearchKnn, DoesNotDependOnThreads) {
  const MadeUpRows queries = make_rows(Shape::unit, 333, 40, 19), x = make_rows(Shape::unit, 2000, 40, 20);
  Context one = context_of(Isa::avx2, 1);
  const KnnTable expected = search_knn(one, view(queries), view(x), {10});
  for (const Isa isa : oracle::machine_isas())
    for (const int threads : {1, 2, 5}) {
      Context context = context_of(isa, threads);
      expect_same_bits(search_knn(context, view(queries), view(x), {10}), expected);
    }
}

TEST(Knn, RefusesWhatCannotBe) {
  Context context;
  const MadeUpRows x = make_rows(Shape::unit, 10, 8, 21), y = make_rows(Shape::unit, 10, 9, 22);
  EXPECT_EQ(oracle::error_of([&] { build_knn(context, view(x), {0}); }), "usage: k must be 1 to 1024 and is 0");
  EXPECT_EQ(oracle::error_of([&] { build_knn(context, view(x), {1025}); }), "usage: k must be 1 to 1024 and is 1025");
  const std::string mismatch = "input: rows of 8 and of 9 dimensions cannot be compared";
  EXPECT_EQ(oracle::error_of([&] { search_knn(context, view(x), view(y), {3}); }), mismatch);
  const KnnTable table = build_knn(context, view(x), {3});
  EXPECT_EQ(oracle::error_of([&] { extend_knn(context, table, view(x), view(y), {3}); }), mismatch);
  EXPECT_EQ(oracle::error_of([&] { extend_knn(context, table, view(x), view(x), {4}); }),
            "usage: a table of 10 rows and 3 neighbours cannot be extended to 4 neighbours of 10 rows");
  EXPECT_EQ(oracle::error_of([&] { extend_knn(context, table, view(x, 0, 9), view(x), {3}); }),
            "usage: a table of 10 rows and 3 neighbours cannot be extended to 3 neighbours of 9 rows");
  EXPECT_EQ(oracle::error_of([&] { extend_search_knn(context, table, view(x), view(x), 10, {4}); }),
            "usage: a table of 10 rows and 3 neighbours cannot be extended to 4 neighbours of 10 rows");
  EXPECT_EQ(oracle::error_of([&] { extend_search_knn(context, table, view(x, 0, 9), view(x), 10, {3}); }),
            "usage: a table of 10 rows and 3 neighbours cannot be extended to 3 neighbours of 9 rows");
  EXPECT_EQ(oracle::error_of([&] { extend_search_knn(context, table, view(x), view(x), max_nodes - 9, {3}); }),
            "input: 2147483648 rows are more than the 2147483647 a graph can hold");
}

TEST(Knn, RefusesRowsThatHaveNoFloat32Similarity) {
  Context context;
  for (const Metric metric : {Metric::inner_product, Metric::l2}) {
    MadeUpRows x = make_rows(Shape::unit, 40, 8, 23);
    x.row(7)[3] = 1e20f;
    EXPECT_NE(oracle::error_of([&] { build_knn(context, view(x), {3, metric}); }).find("input: "), std::string::npos);
    x.row(7)[3] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_NE(oracle::error_of([&] { build_knn(context, view(x), {3, metric}); }).find("input: "), std::string::npos);
    x.row(7)[3] = infinity;
    EXPECT_NE(oracle::error_of([&] { build_knn(context, view(x), {3, metric}); }).find("input: "), std::string::npos);
  }
}

TEST(Knn, MemoryEstimateCoversTheResult) {
  EXPECT_GE(build_knn_memory(1000, 64, {30}), 1000u * (30 * 8 + 2 * 64));
  EXPECT_GT(build_knn_memory(2000, 64, {30}), build_knn_memory(1000, 64, {30}));
}

}  // namespace
}  // namespace lowshot
