#include "knn/table_search.h"

#include <gtest/gtest.h>

#include "knn/spot_check.h"
#include "oracle/files.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using fixtures::TemporaryDirectory;

constexpr TableSearch exact = {}, good = {KnnMethod::join, 0.95}, poor = {KnnMethod::join, 0.8},
                      unknown = {KnnMethod::join, 0};
constexpr KnnMethod methods[] = {KnnMethod::automatic, KnnMethod::join};

KnnOptions wish(KnnMethod method, double recall) {
  KnnOptions options;
  options.method = method;
  options.recall = recall;
  return options;
}

TEST(TableSearch, WhatServesWhichWish) {
  for (const double recall : {0.5, 0.95, 0.999}) {
    EXPECT_TRUE(serves(exact, wish(KnnMethod::exact, recall)));
    EXPECT_FALSE(serves(good, wish(KnnMethod::exact, recall)));
    for (const KnnMethod method : methods) {
      EXPECT_TRUE(serves(exact, wish(method, recall)));
      EXPECT_EQ(serves(good, wish(method, recall)), recall <= 0.95);
      EXPECT_FALSE(serves(unknown, wish(method, recall)));
    }
  }
}

TEST(TableSearch, IsMadeForTheWishOrWhatGivenEffortReached) {
  KnnReport report;
  report.method = KnnMethod::join;
  report.recall = 0.97;
  EXPECT_EQ(search_of(wish(KnnMethod::join, 0.95), report).recall, 0.95);
  report.recall = 0.7;
  EXPECT_EQ(search_of(wish(KnnMethod::join, 0.95), report).recall, 0.95) << "all that could be done was";
  KnnOptions given = wish(KnnMethod::join, 0.95);
  given.effort.probes = 3;
  EXPECT_EQ(search_of(given, report).recall, 0.7);
  report.recall = 0.97;
  EXPECT_EQ(search_of(given, report).recall, 0.95);
  report = {};
  EXPECT_EQ(search_of(wish(KnnMethod::automatic, 0.95), report).method, KnnMethod::exact);
  EXPECT_EQ(search_of(wish(KnnMethod::automatic, 0.95), report).recall, 1);
}

TEST(TableSearch, AnExtensionIsAsGoodAsItsWeakerPart) {
  EXPECT_EQ(weaker(exact, exact).method, KnnMethod::exact);
  for (const auto& [a, b, recall] : {std::tuple(exact, good, 0.95),
                                     {good, exact, 0.95},
                                     {poor, good, 0.8},
                                     {good, poor, 0.8},
                                     {unknown, exact, 0.0}}) {
    EXPECT_EQ(weaker(a, b).method, KnnMethod::join);
    EXPECT_EQ(weaker(a, b).recall, recall);
  }
}

TEST(TableSearch, SideCars) {
  const TemporaryDirectory directory;
  const fs::path ids = directory / "g_k8_I_11.int8";
  const Origin rest = {{{"x.npy", "12"}}, {{"k", "8"}}};
  EXPECT_FALSE(search_of_table(ids, rest)) << "no side-car";
  write_origin(ids, rest);
  ASSERT_TRUE(search_of_table(ids, rest)) << "from before there was a choice";
  EXPECT_EQ(search_of_table(ids, rest)->method, KnnMethod::exact);
  for (const TableSearch& search : {exact, good, poor, unknown}) {
    Origin whole = rest;
    record_search(whole, search);
    write_origin(ids, whole);
    const auto read = search_of_table(ids, rest);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->method, search.method);
    EXPECT_EQ(read->recall, search.recall);
    EXPECT_FALSE(search_of_table(ids, {{{"x.npy", "13"}}, {{"k", "8"}}}));
    EXPECT_FALSE(search_of_table(ids, {{{"x.npy", "12"}}, {{"k", "16"}}}));
  }
  using Entries = std::vector<std::pair<std::string, std::string>>;
  for (const Entries& wrong : {Entries{{"method", "guess"}},
                               {{"method", "join"}},
                               {{"method", "join"}, {"recall", "much"}},
                               {{"method", "join"}, {"recall", "1.5"}},
                               {{"method", "join"}, {"recall", "nan"}},
                               {{"recall", "0.9"}}}) {
    Origin whole = rest;
    whole.options.insert(whole.options.end(), wrong.begin(), wrong.end());
    write_origin(ids, whole);
    EXPECT_FALSE(search_of_table(ids, rest)) << wrong.back().second;
  }
}

TEST(TableSearch, InWords) {
  KnnReport report;
  EXPECT_EQ(describe(report), "exact");
  report = {.method = KnnMethod::join, .recall = 0.9534, .sampled = 1000, .lists = 3925, .probes = 33, .order = {}};
  EXPECT_EQ(describe(report), "join: recall 0.953 on a sample of 1,000 rows; 33 of 3,925 lists a row");
  report.lists = 1'000'007, report.sampled = 999;
  EXPECT_EQ(describe(report), "join: recall 0.953 on a sample of 999 rows; 33 of 1,000,007 lists a row");
  EXPECT_EQ(describe(good), "join for recall 0.95");
  EXPECT_EQ(describe_build(100, wish(KnnMethod::join, 0.9)), "30-nearest-neighbour graph of recall 0.9");
  EXPECT_EQ(describe_build(100, wish(KnnMethod::automatic, 0.9)), "exact 30-nearest-neighbour graph");
}

TEST(SpotCheck, TellsTheRowsOfATable) {
  const auto rows = oracle::make_rows(oracle::Shape::clustered, 400, 24, 3);
  const auto others = oracle::make_rows(oracle::Shape::clustered, 400, 24, 4);
  Context context;
  for (const Metric metric : {Metric::inner_product, Metric::l2}) {
    KnnTable table = build_knn(context, oracle::view(rows), {.k = 8, .metric = metric});
    const SpotCheck own = compare_similarities(context, table, oracle::view(rows), metric, 100);
    EXPECT_EQ(own.compared, 800U);
    EXPECT_EQ(own.different, 0U);
    EXPECT_TRUE(own.passed());
    EXPECT_FALSE(compare_similarities(context, table, oracle::view(others), metric, 100).passed());
    const Metric other = metric == Metric::l2 ? Metric::inner_product : Metric::l2;
    EXPECT_FALSE(compare_similarities(context, table, oracle::view(rows), other, 100).passed());
    for (std::size_t i = 0; i < 400; ++i) table.similarities(i, 0) += 1e-6f * table.similarities(i, 0);
    EXPECT_TRUE(compare_similarities(context, table, oracle::view(rows), metric).passed()) << "another program's sums";
  }
}

}  // namespace
}  // namespace lowshot
