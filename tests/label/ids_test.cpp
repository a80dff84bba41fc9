#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "lowshot/label.h"
#include "oracle/files.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

namespace fs = std::filesystem;
using fixtures::put;
using fixtures::TemporaryDirectory;
using oracle::error_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::vector<std::string> list(const Names& names) {
  std::vector<std::string> result;
  for (std::size_t i = 0; i < names.size(); ++i) result.emplace_back(names[i]);
  return result;
}

class IdsTest : public testing::Test {
 protected:
  fs::path file(const std::string& name, std::string_view content) {
    put(directory_ / name, content);
    return directory_ / name;
  }
  std::vector<std::string> ids(std::string_view content, std::uint64_t rows) {
    return list(read_ids({file("ids.txt", content)}, std::vector{rows}));
  }
  std::string error(std::string_view content, std::uint64_t rows) {
    return error_of([&] { ids(content, rows); });
  }

  TemporaryDirectory directory_;
};

TEST_F(IdsTest, OneNameALine) {
  EXPECT_THAT(ids("a.jpg\nDoe, John.jpg\r\n\"b, c.jpg\"\n\n", 3), ElementsAre("a.jpg", "Doe, John.jpg", "b, c.jpg"));
  EXPECT_THAT(ids("a", 1), ElementsAre("a"));
}

TEST_F(IdsTest, AHeaderIsKnownByTheColumnId) {
  EXPECT_THAT(ids("id\na\nb\n", 2), ElementsAre("a", "b"));
  EXPECT_THAT(ids("\xef\xbb\xbf"
                  "path;ID;size\r\nx;a;1\r\ny;b;2;\r\n",
                  2),
              ElementsAre("a", "b"));
  EXPECT_THAT(error("id\na\n", 2), AllOf(StartsWith("input: expected 2 names"), HasSubstr("found 1 below the header")));
}

TEST_F(IdsTest, AHeaderIsKnownByTheCount) {
  EXPECT_THAT(ids("filename\na\nb\n", 2), ElementsAre("a", "b"));
  EXPECT_THAT(ids("filename,size\na,1\nb,2\n", 2), ElementsAre("a", "b"));
  EXPECT_THAT(ids(",path\n0,a\n1,b\n", 2), ElementsAre("0", "1"));  // an empty field of the header is no missing name
}

TEST_F(IdsTest, WithoutHeaderTheFirstColumnCounts) {
  EXPECT_THAT(ids("a,1\nb,2\n", 2), ElementsAre("a", "b"));
}

TEST_F(IdsTest, CountsMustAgree) {
  EXPECT_THAT(error("a\nb\n", 3),
              AllOf(StartsWith("input: expected 3 names, one for each row, and found 2; "), HasSubstr("ids.txt")));
  EXPECT_THAT(error("a\nb\nc\n", 1), HasSubstr("expected 1 names, one for each row, and found 3"));
  EXPECT_THAT(error("\n\n", 2), HasSubstr("found 0"));
}

TEST_F(IdsTest, EveryRowHasAName) {
  EXPECT_THAT(error("a\n\nb\n\"\"\nc\n", 5), AllOf(StartsWith("input: 2 rows are without a name, the first is row 1; "),
                                                   HasSubstr("ids.txt, line 2;")));
  EXPECT_THAT(error("id,x\na,1\n,2\n", 2),
              AllOf(HasSubstr("a row is without a name, the first is row 1"), HasSubstr("line 3;")));
  EXPECT_THAT(error("id,x\na,1\n\nb,2\n", 3), HasSubstr("row 1"));
}

TEST_F(IdsTest, ADelimiterWithinANameWithoutQuotesIsNotCutOff) {
  EXPECT_THAT(error("a.jpg,1\nDoe, John.jpg,2\n", 2),
              AllOf(HasSubstr("expected 2 fields"), HasSubstr("found 3"), HasSubstr("line 2;")));
  EXPECT_THAT(error("x,id\na\n", 1), AllOf(HasSubstr("expected 2 fields"), HasSubstr("found 1"), HasSubstr("line 2;")));
  EXPECT_THAT(error("id,ID\na,b\n", 1), HasSubstr("the column id twice"));
}

TEST_F(IdsTest, OneFileForAllRowsOrOneForEachShard) {
  const fs::path one = file("1.txt", "a\nb\n"), two = file("2.csv", "id\nc\n"), three = file("3.txt", "name\nd\ne\n");
  const std::vector<std::uint64_t> rows = {2, 1, 2};
  EXPECT_THAT(list(read_ids({one, two, three}, rows)), ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_THAT(list(read_ids({file("all.txt", "a\nb\nc\nd\ne")}, rows)), ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_THAT(error_of([&] {
                read_ids({one, three, two}, rows);
              }),
              AllOf(HasSubstr("expected 1 names, one for each row of file 2 of 3, and found 3"), HasSubstr("3.txt")));
  EXPECT_THAT(error_of([&] {
                read_ids({one, two}, rows);
              }),
              AllOf(StartsWith("input: "), HasSubstr("one for each of the 3 files of descriptors, and found 2")));
  EXPECT_THAT(error_of([&] { read_ids({}, rows); }), HasSubstr("found 0"));
}

TEST_F(IdsTest, ParquetIsRefusedWithTheLineThatConvertsIt) {
  EXPECT_THAT(error_of([&] { read_ids({"n/i.parquet"}, std::vector<std::uint64_t>{1}); }),
              HasSubstr("import pandas; pandas.read_parquet('n/i.parquet')['id'].to_csv('n/i.csv', index=False)"));
}

TEST_F(IdsTest, AMillionNames) {
  constexpr std::uint64_t rows = 1000000;
  std::string content = "filename,size\n";  // no `id`: the file is read twice
  for (std::uint64_t i = 0; i < rows; ++i) content += "images/" + std::to_string(i) + ".jpg,12\n";
  const fs::path path = file("ids.csv", content);
  const auto start = std::chrono::steady_clock::now();
  const Names names = read_ids({path}, std::vector{rows});
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  ASSERT_EQ(names.size(), rows);
  EXPECT_EQ(names[0], "images/0.jpg");
  EXPECT_EQ(names[rows - 1], "images/999999.jpg");
  RecordProperty("seconds", std::to_string(seconds));
}

}  // namespace
}  // namespace lowshot
