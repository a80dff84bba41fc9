#include "experiment/static_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>
#include <string>

#include "lowshot/knn.h"
#include "oracle/files.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using fixtures::bytes_of;
using fixtures::put;
using fixtures::TemporaryDirectory;
using testing::HasSubstr;

constexpr std::size_t static_rows = 40, test_rows = 7;

bool same(const KnnTable& a, const KnnTable& b) {
  return a.rows() == b.rows() && a.k() == b.k() &&
         std::memcmp(a.ids.data(), b.ids.data(), a.ids.size() * sizeof(NodeId)) == 0 &&
         std::memcmp(a.similarities.data(), b.similarities.data(), a.similarities.size() * sizeof(float)) == 0;
}

/// Tables of made-up rows, k wide, in a directory of their own; the log is kept.
class StaticTablesTest : public testing::Test {
 protected:
  StaticTablesTest() : rows_(oracle::make_rows(oracle::Shape::unit, static_rows + test_rows, 6, 1)) {
    knn_.k = 5;
    context_.threads = 2;
    context_.log = [this](LogLevel, const std::string& line) { log_ += line + "\n"; };
    tables_.rows = build_knn(context_, of_rows(), knn_);
    tables_.tests = search_knn(context_, of_tests(), of_rows(), knn_);
    tables_.order.resize(static_rows);
    std::iota(tables_.order.rbegin(), tables_.order.rend(), 0u);
  }

  MatrixView<const float> of_rows() const { return oracle::view(rows_, 0, static_rows); }
  MatrixView<const float> of_tests() const { return oracle::view(rows_, static_rows, static_rows + test_rows); }
  DataDirectory directory() const { return {root_.path(), work_.path()}; }
  Origin origin() const { return origin_of_static(of_rows(), of_tests(), knn_, {}); }
  void keep(const TableSearch& search = {}) {
    keep_static_tables(context_, directory(), name_, origin(), search, tables_);
  }
  std::optional<StaticTables> read(const Origin& from, const KnnOptions& knn) {
    log_.clear();
    return read_static_tables(context_, directory(), name_, from, knn, static_rows, test_rows);
  }
  std::optional<StaticTables> read() { return read(origin(), knn_); }

  const TemporaryDirectory root_, work_;
  const fs::path name_ = "knngraph/set1_ndis30";
  oracle::MadeUpRows rows_;
  KnnOptions knn_;
  Context context_;
  StaticTables tables_;
  std::string log_;
};

TEST_F(StaticTablesTest, AreReadAsTheyWereKept) {
  EXPECT_FALSE(read());
  EXPECT_EQ(log_, "") << "the first time there is nothing to say";
  EXPECT_FALSE(find_static_tables(directory(), name_, knn_));
  keep();
  const auto kept = read();
  ASSERT_TRUE(kept);
  EXPECT_TRUE(same(kept->rows, tables_.rows));
  EXPECT_TRUE(same(kept->tests, tables_.tests));
  EXPECT_EQ(kept->order, tables_.order);
  EXPECT_THAT(log_, HasSubstr("knngraph/static_set1_ndis30_k5_I_11.int5 (exact)"));
  EXPECT_TRUE(find_static_tables(directory(), name_, knn_));
  tables_.order.clear();
  keep();
  EXPECT_TRUE(read()->order.empty()) << "few rows stay as they are";
}

TEST_F(StaticTablesTest, OfOtherRowsOrOptionsAreNotUsed) {
  keep();
  Origin other = origin();
  other.inputs.emplace_back("ndis30_k8_I_11.int8", "0123");
  EXPECT_FALSE(read(other, knn_)) << "a published table has come";
  EXPECT_THAT(log_, HasSubstr("was made from other data or options; built anew"));
  KnnOptions wider = knn_;
  wider.k = 6;
  EXPECT_FALSE(read(origin_of_static(of_rows(), of_tests(), wider, {}), wider));
  EXPECT_FALSE(find_static_tables(directory(), name_, wider));
  for (const std::size_t value : {std::size_t{3}, (static_rows + test_rows) * 6 - 1}) {  // of a row, of a test row
    const float before = rows_.values[value];
    rows_.values[value] = std::nextafter(before, 2.0f);
    EXPECT_FALSE(read());
    EXPECT_THAT(log_, HasSubstr("was made from other data"));
    rows_.values[value] = before;
  }
  EXPECT_TRUE(read());
}

TEST_F(StaticTablesTest, ServeWishesOfTheirSearch) {
  keep({KnnMethod::join, 0.9});
  knn_.recall = 0.9;
  EXPECT_TRUE(read());
  knn_.recall = 0.95;
  EXPECT_FALSE(read());
  EXPECT_THAT(log_, HasSubstr("(join for recall 0.9) is not good enough; built anew"));
  EXPECT_FALSE(find_static_tables(directory(), name_, knn_));
  keep();
  EXPECT_TRUE(read()) << "an exact one serves all";
}

TEST_F(StaticTablesTest, DamageIsNoticed) {
  keep();
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(work_ / "knngraph"))
    if (entry.path().extension() != ".json") files.push_back(entry.path());
  ASSERT_EQ(files.size(), 5u);
  for (const fs::path& file : files) {
    const std::string whole = bytes_of(file);
    std::string flipped = whole;
    flipped[whole.size() - 3] ^= 1;
    for (const std::string& damaged : {flipped, whole.substr(0, whole.size() - 4), std::string()}) {
      put(file, damaged);
      EXPECT_FALSE(read()) << file;
      EXPECT_THAT(log_, HasSubstr("is damaged; built anew"));
    }
    fs::remove(file);
    EXPECT_FALSE(read()) << file;
    put(file, whole);
  }
  EXPECT_TRUE(read());
  fs::remove(work_ / "knngraph/static_set1_ndis30_k5_I_11.int5.meta.json");
  EXPECT_FALSE(read()) << "killed before it was finished";
  EXPECT_FALSE(find_static_tables(directory(), name_, knn_));
}

TEST_F(StaticTablesTest, TheDataDirectorysComeFirstAndStaleOnesArePassedOver) {
  keep();
  fs::rename(work_ / "knngraph", root_ / "knngraph");
  EXPECT_TRUE(read());
  EXPECT_THAT(log_, HasSubstr(root_.path().string()));
  rows_.values[0] = 0.5f;
  EXPECT_FALSE(read());
  keep();
  EXPECT_TRUE(read());
  EXPECT_THAT(log_, HasSubstr("built anew")) << "that of the data directory";
  EXPECT_THAT(log_, HasSubstr(work_.path().string()));
}

TEST_F(StaticTablesTest, WhereTheyCannotBeKeptASentenceSaysSo) {
  put(work_ / "knngraph", "in the way");
  keep();
  EXPECT_THAT(log_, HasSubstr("static graph: not kept"));
  EXPECT_FALSE(read());
}

TEST(StaticName, TellsApartWhatHasOtherRows) {
  ExperimentOptions options;
  EXPECT_EQ(static_name(options, Recipe::paper, 0), "knngraph/set1_ndis0");
  options.class_set = 2;
  options.in_domain = true;
  options.pca = {.kind = PcaChoice::Kind::none};
  options.background = {"elsewhere/more.npy"};
  options.label_idx = "lists.json";
  EXPECT_EQ(static_name(options, Recipe::full, 5000), "knngraph/set2_lists_in-domain_full_ndis5000_none_more");
}

}  // namespace
}  // namespace lowshot
