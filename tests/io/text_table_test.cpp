#include "io/text_table.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <stdexcept>
#include <vector>

#include "oracle/files.h"
#include "oracle/views.h"

namespace lowshot::io {
namespace {

using fixtures::put;
using fixtures::TemporaryDirectory;
using oracle::error_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

using Fields = std::vector<std::string>;

struct Read {
  std::vector<Fields> records;
  std::vector<std::uint64_t> lines;
  TextTable table;
};

Read read(const std::filesystem::path& path) {
  Read result;
  result.table = read_text_table(path, [&](const TextRecord& record) {
    result.records.emplace_back(record.fields.begin(), record.fields.end());
    result.lines.push_back(record.line);
  });
  return result;
}

class TextTableTest : public testing::Test {
 protected:
  Read of(std::string_view content) {
    put(path_, content);
    return read(path_);
  }
  std::string error(std::string_view content) {
    put(path_, content);
    return error_of([&] { read(path_); });
  }

  TemporaryDirectory directory_;
  std::filesystem::path path_ = directory_ / "t.csv";
};

TEST_F(TextTableTest, PlainRecordsWithTheirLines) {
  const Read result = of("id,label\na.jpg,cat\nb.jpg,\n");
  EXPECT_THAT(result.records, ElementsAre(Fields{"id", "label"}, Fields{"a.jpg", "cat"}, Fields{"b.jpg", ""}));
  EXPECT_THAT(result.lines, ElementsAre(1, 2, 3));
  EXPECT_EQ(result.table.records, 3u);
  EXPECT_EQ(result.table.blank_lines_at_end, 0u);
  EXPECT_EQ(result.table.delimiter, ',');
}

TEST_F(TextTableTest, EveryLineEndAndTheMarkGiveTheSameRecords) {
  const std::vector<Fields> expected = {{"a", "b"}, {"c", "d"}, {"e", "f"}};
  for (const std::string end : {"\n", "\r\n", "\r"}) {
    for (const std::string mark : {"", "\xef\xbb\xbf"}) {
      for (const std::string last : {"", end.c_str()}) {
        const Read result = of(fmt::format("{0}a,b{1}c,d{1}e,f{2}", mark, end, last));
        EXPECT_EQ(result.records, expected);
        EXPECT_THAT(result.lines, ElementsAre(1, 2, 3));
        EXPECT_EQ(result.table.blank_lines_at_end, 0u);
      }
    }
  }
}

TEST_F(TextTableTest, QuotesHoldDelimitersQuotesAndLineEnds) {
  const Read result = of("id,label\r\n\"a, \"\"b\"\".jpg\",\"two\r\nlines\"\r\nc,d\r\n\"\n\n\",x\r\ny,z");
  EXPECT_THAT(result.records, ElementsAre(Fields{"id", "label"}, Fields{"a, \"b\".jpg", "two\r\nlines"},
                                          Fields{"c", "d"}, Fields{"\n\n", "x"}, Fields{"y", "z"}));
  EXPECT_THAT(result.lines, ElementsAre(1, 2, 4, 5, 8));
}

TEST_F(TextTableTest, SpaceAroundFieldsGoesUnlessItIsQuoted) {
  EXPECT_THAT(of("x,y,z\n  a b , \" c \" ,\td\t\n").records,
              ElementsAre(Fields{"x", "y", "z"}, Fields{"a b", " c ", "d"}));
}

TEST_F(TextTableTest, TheFirstLineTellsTheDelimiter) {
  EXPECT_THAT(of("a;b,c\nd;e").records, ElementsAre(Fields{"a", "b,c"}, Fields{"d", "e"}));
  EXPECT_THAT(of("a\tb;c,d\n\te").records, ElementsAre(Fields{"a", "b;c,d"}, Fields{"", "e"}));
  EXPECT_THAT(of("\tid\tlabel\n0\ta\tb").records, ElementsAre(Fields{"", "id", "label"}, Fields{"0", "a", "b"}));
  EXPECT_THAT(of("a,b\nc;d,e\tf").records, ElementsAre(Fields{"a", "b"}, Fields{"c;d", "e\tf"}));
  EXPECT_THAT(of("\n \t \r\n,b\n").records, ElementsAre(Fields{""}, Fields{""}, Fields{"", "b"}));
  // Within quotes a delimiter says nothing, on this line or over several.
  EXPECT_THAT(of("\"a;b\tc\",d\n").records, ElementsAre(Fields{"a;b\tc", "d"}));
  EXPECT_THAT(of("\"a\n;\"\"\t\",d\n").records, ElementsAre(Fields{"a\n;\"\t", "d"}));
}

TEST_F(TextTableTest, WithoutDelimiterThereIsOneColumn) {
  const Read result = of("a name\nDoe, John.jpg\n\"x; y\"\n");
  EXPECT_THAT(result.records, ElementsAre(Fields{"a name"}, Fields{"Doe, John.jpg"}, Fields{"x; y"}));
  EXPECT_EQ(result.table.delimiter, '\0');
}

TEST_F(TextTableTest, BlankLinesCountBetweenRecordsAndNotAtTheEnd) {
  for (const std::string end : {"\n", "\r\n", "\r"}) {
    const Read result = of(fmt::format("a{0}{0}  {0}b{0}{0} {0}", end));
    EXPECT_THAT(result.records, ElementsAre(Fields{"a"}, Fields{""}, Fields{""}, Fields{"b"}));
    EXPECT_THAT(result.lines, ElementsAre(1, 2, 3, 4));
    EXPECT_EQ(result.table.blank_lines_at_end, 2u);
  }
  EXPECT_THAT(of("a\n\"\"\n").records, ElementsAre(Fields{"a"}, Fields{""}));  // quoted: empty and not blank
  const Read blank = of("\n\n");
  EXPECT_EQ(blank.table.records, 0u);
  EXPECT_EQ(blank.table.blank_lines_at_end, 2u);
}

TEST_F(TextTableTest, FilesThatAreNoText) {
  EXPECT_THAT(error(""), AllOf(StartsWith("input: the file is empty; "), HasSubstr("t.csv")));
  const std::pair<const char*, const char*> kinds[] = {
      {"\x93NUMPY\x01", "an npy file"}, {"\x89HDF\r\n", "an HDF5 file"}, {"PAR1\x15", "a Parquet file"},
      {"PK\x03\x04\x14", "a zip file"}, {"\x1f\x8b\x08", "a gzip file"}, {"\xff\xfei", "text in UTF-16"}};
  for (const auto& [content, kind] : kinds) EXPECT_THAT(error(content), HasSubstr(kind));
  using std::string_view_literals::operator""sv;
  EXPECT_THAT(error("a\nb\nc\0d\n"sv),
              AllOf(HasSubstr("the byte 0x00 (byte 5 of the file)"), HasSubstr("t.csv, line 3;")));
  EXPECT_THAT(error("\xef\xbb\xbf"
                    "a\n\x01"),
              AllOf(HasSubstr("the byte 0x01 (byte 5"), HasSubstr("line 2;")));
  EXPECT_EQ(of("caf\xe9.jpg\n").records[0][0], "caf\xe9.jpg");  // Latin-1: a file name may hold any byte
}

TEST_F(TextTableTest, QuotesOutOfPlaceAreNamedWithTheirLine) {
  EXPECT_THAT(error("a,b\n12\" record,c\n"), AllOf(HasSubstr("a quote is out of place"), HasSubstr("t.csv, line 2;")));
  EXPECT_THAT(error("a\r\nb\r\n\"c\"d\r\n"), AllOf(HasSubstr("a quote is out of place"), HasSubstr("line 3;")));
  EXPECT_THAT(error("a\n\"b\nc\n\"d\n"), HasSubstr("line 4;"));  // where it stands, though the record begins in line 2
  EXPECT_THAT(error("a,b\nc,\"d\ne,f\n"), AllOf(HasSubstr("never closed"), HasSubstr("t.csv, line 2;")));
  EXPECT_THAT(error("a,b\n\"c,d\n"), AllOf(HasSubstr("never closed"), HasSubstr("t.csv, line 2;")));
}

TEST_F(TextTableTest, NoFieldReadsTheWholeFile) {
  std::string content = "a,b\nc,\"";
  for (int i = 0; i < 300000; ++i) content += "1234567\n";
  EXPECT_THAT(error(content), AllOf(HasSubstr("a field is longer than 1048576 bytes"), HasSubstr("line 2;")));
  EXPECT_THAT(error("a,b\n" + std::string(70000, ',')),
              AllOf(HasSubstr("more than 65536 fields"), HasSubstr("line 2;")));
  const std::string long_field(1 << 20, 'x');
  EXPECT_EQ(of("a,b\n" + long_field + ",c").records[1], (Fields{long_field, "c"}));
}

TEST_F(TextTableTest, LinesAreCountedAcrossBlocks) {
  constexpr std::size_t block = 1 << 18;
  for (std::size_t size = block - 4; size <= block + 2; ++size) {
    for (const std::string end : {"\n", "\r\n", "\r"}) {
      const std::string begin = std::string(size, 'x') + end;
      EXPECT_THAT(of(fmt::format("{0}a{1}{1}b", begin, end)).lines, ElementsAre(1, 2, 3, 4)) << size;
      EXPECT_THAT(error(fmt::format("{}a{}b\"c", begin, end)), HasSubstr("line 3;")) << size;
      EXPECT_THAT(error(fmt::format("{}a{}\x02", begin, end)), HasSubstr("line 3;")) << size;
    }
  }
}

std::string in_quotes(const std::string& field) {
  std::string text = "\"";
  for (const char c : field) text += c == '"' ? "\"\"" : std::string(1, c);
  return text + "\"";
}

/// What is written here field by field comes back: random fields of awkward characters, quoted where they must be.
TEST_F(TextTableTest, ReadsBackWhatWasWritten) {
  std::mt19937 random(1);
  const std::string letters = "ab \",;\t\n\r'\\.\xc3\xa9";
  for (const char delimiter : {',', ';', '\t'}) {
    std::vector<Fields> expected;
    std::string content;
    for (int row = 0; row < 40000; ++row) {
      Fields fields(3);
      for (std::size_t i = 0; i < 3; ++i) {
        for (std::uint32_t n = random() % 8; n > 0; --n) fields[i] += letters[random() % letters.size()];
        const bool plain = fields[i].find_first_of("\",;\t\n\r ") == std::string::npos;
        // The first record must show its delimiter alone, which a quoted one does.
        content += plain && row > 0 && random() % 2 == 0 ? fields[i] : in_quotes(fields[i]);
        content += i < 2 ? std::string(1, delimiter) : random() % 2 == 0 ? "\n" : "\r\n";
      }
      expected.push_back(fields);
    }
    ASSERT_GT(content.size(), std::size_t{600000});  // several blocks
    ASSERT_EQ(of(content).records, expected);
  }
}

TEST_F(TextTableTest, WhatTheCallerThrowsEndsTheReading) {
  put(path_, "a\nb\nc\n");
  int calls = 0;
  EXPECT_THROW(read_text_table(path_,
                               [&](const TextRecord&) {
                                 if (++calls == 2) throw std::runtime_error("enough");
                               }),
               std::runtime_error);
  EXPECT_EQ(calls, 2);
}

TEST_F(TextTableTest, AFileThatIsNotThere) {
  EXPECT_THAT(error_of([&] { read(directory_ / "none.csv"); }), AllOf(StartsWith("input: "), HasSubstr("none.csv")));
}

TEST(Shown, IsOneLineOfBoundedLength) {
  EXPECT_EQ(shown("a b"), "'a b'");
  EXPECT_EQ(shown("a\nb\x1b["), "'a?b?['");
  EXPECT_EQ(shown(std::string(101, 'x')), "'" + std::string(100, 'x') + "...'");
}

}  // namespace
}  // namespace lowshot::io
