#include "lowshot/knn_time.h"

#include <gtest/gtest.h>

#include "oracle/views.h"

namespace lowshot {
namespace {

using oracle::make_rows;
using oracle::Shape;

// What is linear and what is not; the machine's own rates are the business of tests/cli/test_time.py.
TEST(KnnTime, CountsPairsAndRows) {
  const KnnRates rates{.options = {.method = KnnMethod::exact}, .pair = 1, .row = 10, .kept = 0.5};
  EXPECT_DOUBLE_EQ(build_knn_seconds(rates, 100), 100 * 100 / 2 + 10 * 100);
  EXPECT_DOUBLE_EQ(search_knn_seconds(rates, 5, 100), 5 * 100 + 10 * 5);
  EXPECT_DOUBLE_EQ(extend_knn_seconds(rates, 100, 4), 4 * 100 + 4 * 4 / 2 + 10 * (4 + 4) + 0.5 * 100);
}

TEST(KnnTime, TheJoinGrowsLittleFasterThanItsRows) {
  const KnnRates rates{.options = {.method = KnnMethod::join}, .join_rows = 1000, .listing = 3, .joining = 1};
  EXPECT_DOUBLE_EQ(build_knn_seconds(rates, 1000), 4);
  const double tenfold = build_knn_seconds(rates, 10000);
  EXPECT_GT(tenfold, 40);
  EXPECT_LT(tenfold, 80);
  EXPECT_LT(extend_knn_seconds(rates, 9900, 100), tenfold);  // the lists of all, the pairs of a few
}

TEST(KnnTime, MeasuresWhatItIsGiven) {
  Context context;
  context.threads = 2;
  const oracle::MadeUpRows rows = make_rows(Shape::clustered, 3000, 32, 1);
  const KnnRates exact = measure_knn(context, oracle::view(rows), {.k = 8}, 3000);
  EXPECT_GT(exact.pair, 0);
  EXPECT_EQ(exact.join_rows, 0u);  // 3,000 rows never go by lists
  const KnnRates join = measure_knn(context, oracle::view(rows), {.k = 8}, 10'000'000);
  EXPECT_EQ(join.join_rows, 3000u);
  EXPECT_GT(join.joining, 0);
  EXPECT_GT(join.listing, 0);
  EXPECT_TRUE(context.seconds.empty());
  // A sample of one row says nothing, and that is no error.
  EXPECT_EQ(build_knn_seconds(measure_knn(context, oracle::view(rows, 0, 1), {.k = 8}, 1), 1), 0);
}

TEST(KnnTime, SamplesAreOfTheMemoryAllowed) {
  Context context;
  context.threads = 2;
  EXPECT_EQ(knn_sample_rows(context, 1000, 256), 1000u);
  const std::uint64_t unlimited = knn_sample_rows(context, 10'000'000, 256);
  EXPECT_LT(unlimited, 200'000u);
  context.memory_limit = std::uint64_t{16} << 20;
  EXPECT_LT(knn_sample_rows(context, 10'000'000, 256) * 256 * 4, context.memory_limit / 2);
}

}  // namespace
}  // namespace lowshot
