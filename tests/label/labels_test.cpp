#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "lowshot/io.h"
#include "lowshot/label.h"
#include "oracle/files.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using fixtures::put;
using fixtures::TemporaryDirectory;
using oracle::error_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class LabelsTest : public testing::Test {
 protected:
  LabelsTest() {
    for (const char* name : {"x/a.jpg", "x/b.jpg", "y/c.jpg", "y/d.png", "z/d.png"}) ids_.add(name);
  }
  fs::path file(std::string_view content) {
    put(path_, content);
    return path_;
  }
  RowLabels by_name(std::string_view content, MatchBy match = MatchBy::name) {
    return read_labels(file(content), ids_.size(), &ids_, match);
  }
  RowLabels by_row(std::string_view content, std::uint64_t rows = 5) {
    return read_labels(file(content), rows, nullptr, MatchBy::name);
  }
  std::string name_error(std::string_view content, MatchBy match = MatchBy::name) {
    return error_of([&] { by_name(content, match); });
  }
  std::string row_error(std::string_view content, std::uint64_t rows = 5) {
    return error_of([&] { by_row(content, rows); });
  }

  TemporaryDirectory directory_;
  fs::path path_ = directory_ / "labels.csv";
  Names ids_;
};

TEST_F(LabelsTest, ByNameInAnyOrderAndAnySubset) {
  const RowLabels labels = by_name("id,label\ny/c.jpg,dog\nx/a.jpg,cat\nx/b.jpg,dog\n");
  EXPECT_THAT(labels.classes, ElementsAre("cat", "dog"));
  EXPECT_THAT(labels.of_row, ElementsAre(0, 1, 1, -1, -1));
}

TEST_F(LabelsTest, ByRow) {
  const RowLabels labels = by_row("label,row\nb,4\na,0\nb,2\n");
  EXPECT_THAT(labels.classes, ElementsAre("a", "b"));
  EXPECT_THAT(labels.of_row, ElementsAre(0, -1, 1, -1, 1));
}

TEST_F(LabelsTest, HeadersAsPeopleWriteThem) {
  for (const char* content : {"ID,Label\nx/b.jpg,cat\n", "\xef\xbb\xbf\"id\";\"label\"\r\n\"x/b.jpg\";\"cat\"\r\n\r\n",
                              "note\tLABEL\tsize\tId\nn, m\tcat\t1\tx/b.jpg\n", "label,id\n\ncat,x/b.jpg,\n\n",
                              "row,id,label,confidence\n4,x/b.jpg,cat,0.5\n"}) {
    const RowLabels labels = by_name(content);
    EXPECT_THAT(labels.classes, ElementsAre("cat")) << content;
    EXPECT_THAT(labels.of_row, ElementsAre(-1, 0, -1, -1, -1)) << content;
  }
  // Where rows have no names the column row counts.
  EXPECT_THAT(by_row("row,id,label\n4,x/b.jpg,cat\n").of_row, ElementsAre(-1, -1, -1, -1, 0));
}

TEST_F(LabelsTest, NamesAndLabelsMayHoldAnything) {
  Names ids;
  for (const char* name : {"a, \"b\".jpg", "two\nlines", "caf\xc3\xa9"}) ids.add(name);
  const RowLabels labels = read_labels(
      file("id,label\n\"a, \"\"b\"\".jpg\",\"red, dark\"\n\"two\nlines\",\"\xe8\xb5\xa4\"\ncaf\xc3\xa9,red\n"), 3, &ids,
      MatchBy::name);
  EXPECT_THAT(labels.classes, ElementsAre("red", "red, dark", "\xe8\xb5\xa4"));
  EXPECT_THAT(labels.of_row, ElementsAre(1, 2, 0));
}

TEST_F(LabelsTest, EmptyLabelsAndMinusOneAreNone) {
  const RowLabels labels = by_name("id,label\nx/a.jpg,\nx/b.jpg,3\ny/c.jpg,-1\nunknown,\n");
  EXPECT_THAT(labels.classes, ElementsAre("3"));
  EXPECT_THAT(labels.of_row, ElementsAre(-1, 0, -1, -1, -1));
  EXPECT_THAT(name_error("id,label\nx/a.jpg,\nx/b.jpg,-1\n"), StartsWith("input: no row has a label; "));
  EXPECT_THAT(name_error("id,label\n"), StartsWith("input: no row has a label; "));
}

TEST_F(LabelsTest, ClassesByNumberWhereAllAreIntegers) {
  EXPECT_THAT(by_row("row,label\n0,10\n1,9\n2,0\n3,09\n").classes, ElementsAre("0", "09", "9", "10"));
  EXPECT_THAT(by_row("row,label\n0,10\n1,9\n2,b\n").classes, ElementsAre("10", "9", "b"));
  EXPECT_THAT(by_row("row,label\n0,10\n1,9\n2,1.0\n").classes, ElementsAre("1.0", "10", "9"));
  EXPECT_THAT(by_row("row,label\n0,10\n1,99999999999999999999\n2,9\n").classes,
              ElementsAre("10", "9", "99999999999999999999"));
}

TEST_F(LabelsTest, OneLabelARow) {
  for (const char* content :
       {"cat\n\ndog\n-1\ncat\n", "label\ncat\n\ndog\n-1\ncat\n", "Label\r\ncat\r\n\r\ndog\r\n\r\ncat"}) {
    const RowLabels labels = by_row(content);
    EXPECT_THAT(labels.classes, ElementsAre("cat", "dog")) << content;
    EXPECT_THAT(labels.of_row, ElementsAre(0, -1, 1, -1, 0)) << content;
  }
  // Labels that are empty at the end look like blank lines.
  EXPECT_THAT(by_row("cat\n\n\n\n\n").of_row, ElementsAre(0, -1, -1, -1, -1));
  EXPECT_THAT(by_row("label\ncat\n\n\n\n\n\n").of_row, ElementsAre(0, -1, -1, -1, -1));
  EXPECT_THAT(by_row("cat\n\"\"\ndog, big\n\n\n\n").classes, ElementsAre("cat", "dog, big"));
  // A class may be called label: with n lines the first is no header.
  EXPECT_THAT(by_row("label\nx\n", 2).classes, ElementsAre("label", "x"));
  // Rows that have names do not matter here.
  EXPECT_THAT(by_name("cat\ncat\ncat\ncat\ndog\n").of_row, ElementsAre(0, 0, 0, 0, 1));
  EXPECT_THAT(row_error("\n\n\n\n\n"), StartsWith("input: no row has a label; "));
  EXPECT_THAT(row_error("label\n-1\n\n\n\n\n"), StartsWith("input: no row has a label; "));
}

TEST_F(LabelsTest, OneLabelARowMustHaveEveryRow) {
  EXPECT_THAT(row_error("cat\ndog\n"),
              AllOf(StartsWith("input: expected a CSV whose first line names the columns id,label or row,label, or one "
                               "label a row; found one column of 2 labels for 5 rows; "),
                    HasSubstr("labels.csv")));
  EXPECT_THAT(row_error("label\ncat\ndog\n"), HasSubstr("one column of 2 labels for 5 rows"));
  EXPECT_THAT(row_error("a\nb\nc\nd\ne\nf\n"), HasSubstr("one column of 6 labels for 5 rows"));
  EXPECT_THAT(row_error("label\na\nb\nc\nd\ne\nf\n"), HasSubstr("one column of 6 labels for 5 rows"));
  EXPECT_THAT(row_error("\xef\xbb\xbf"), HasSubstr("one column of 0 labels for 5 rows"));
}

TEST_F(LabelsTest, OneLabelARowAsNpy) {
  const fs::path path = directory_ / "labels.npy";
  const auto read = [&](std::vector<std::int32_t> values, std::size_t cols = 1) {
    write_npy(path, MatrixView<const std::int32_t>(values.data(), values.size() / cols, cols));
    return read_labels(path, 4, nullptr, MatchBy::name);
  };
  const RowLabels labels = read({10, -1, 9, 10});
  EXPECT_THAT(labels.classes, ElementsAre("9", "10"));
  EXPECT_THAT(labels.of_row, ElementsAre(1, -1, 0, 1));
  EXPECT_THAT(error_of([&] {
                read({1, 2, 3});
              }),
              AllOf(StartsWith("input: expected 4 labels, one for each row, and found 3"), HasSubstr("labels.npy")));
  EXPECT_THAT(error_of([&] { read({-1, -1, -1, -1}); }), StartsWith("input: no row has a label"));
  EXPECT_THAT(error_of([&] {
                read({0, -2, 1, -7});
              }),
              AllOf(HasSubstr("2 labels are negative numbers other than -1"), HasSubstr("-2 (row 1), -7 (row 3)")));
}

TEST_F(LabelsTest, AnotherFormIsRefusedWithWhatWasExpected) {
  EXPECT_THAT(
      name_error("x/a.jpg,cat\nx/b.jpg,dog\n"),
      AllOf(StartsWith(
                "input: expected a CSV whose first line names the columns id,label or row,label, or one label a row; "
                "found a first line with 'x/a.jpg', 'cat'; "),
            HasSubstr("line 1;")));
  EXPECT_THAT(name_error("id,class\nx/a.jpg,cat\n"), HasSubstr("found a first line with 'id', 'class'"));
  EXPECT_THAT(name_error("name,label\nx/a.jpg,cat\n"), HasSubstr("found a first line with 'name', 'label'"));
  EXPECT_THAT(row_error("id,label\nx/a.jpg,cat\n"), AllOf(HasSubstr("the rows have no names"), HasSubstr("--ids")));
  EXPECT_THAT(name_error("id,label,LABEL\nx/a.jpg,cat,dog\n"), HasSubstr("the column label twice"));
  EXPECT_THAT(name_error("id,label\nx/a.jpg, b.jpg,cat\n"),
              AllOf(HasSubstr("expected 2 fields"), HasSubstr("found 3"), HasSubstr("line 2;")));
  EXPECT_THAT(name_error("id,label\nx/a.jpg\n"), AllOf(HasSubstr("found 1"), HasSubstr("line 2;")));
  EXPECT_THAT(error_of([&] { read_labels("l.parquet", 5, nullptr, MatchBy::name); }),
              HasSubstr("import pandas; pandas.read_parquet('l.parquet').to_csv('l.csv', index=False)"));
}

TEST_F(LabelsTest, NamesThatAreNotFoundAreListed) {
  EXPECT_THAT(name_error("id,label\nq.jpg,cat\nx/a.jpg,cat\n"),
              AllOf(StartsWith("input: 1 labelled name stands for no row: 'q.jpg'; "),
                    HasSubstr("labels.csv; the rows are named like 'x/a.jpg'")));
  std::string content = "id,label\n";
  for (int i = 0; i < 13; ++i) content += "q" + std::to_string(i) + ",cat\nq" + std::to_string(i) + ",cat\n";
  EXPECT_THAT(name_error(content), AllOf(HasSubstr("13 labelled names stand for no row: 'q0', 'q1',"),
                                         HasSubstr("'q9' and 3 more;"), Not(HasSubstr("'q10'"))));
}

TEST_F(LabelsTest, AMatchThatWouldFindThemIsNamed) {
  EXPECT_THAT(name_error("id,label\na.jpg,cat\nq/b.jpg,cat\nq.jpg,cat\n"),
              HasSubstr("--match basename finds 2 of the 3 names"));
  EXPECT_THAT(name_error("id,label\na,cat\nb.jpg,cat\nq.jpg,cat\n"), HasSubstr("--match stem finds 2 of the 3 names"));
  EXPECT_THAT(name_error("id,label\nb.png,cat\nq,cat\n", MatchBy::basename),
              HasSubstr("--match stem finds 1 of the 2 names"));
  EXPECT_THAT(name_error("id,label\nq,cat\n", MatchBy::stem), Not(HasSubstr("--match")));
  EXPECT_THAT(name_error("id,label\nd.png,cat\n"), Not(HasSubstr("--match")));  // it stands for two rows
}

TEST_F(LabelsTest, MatchByBasenameAndStem) {
  EXPECT_THAT(by_name("id,label\na.jpg,cat\nelse\\where\\b.jpg,dog\n", MatchBy::basename).of_row,
              ElementsAre(0, 1, -1, -1, -1));
  EXPECT_THAT(by_name("id,label\na,cat\nelse/b.webp,dog\nc.x,cat\n", MatchBy::stem).of_row,
              ElementsAre(0, 1, 0, -1, -1));
  EXPECT_THAT(name_error("id,label\nd.png,cat\n", MatchBy::basename),
              StartsWith("input: 1 labelled name stands for several rows: 'd.png' (rows 3 and 4); "));
  // Two names that are one by this match.
  EXPECT_THAT(by_name("id,label\np/a.jpg,cat\nq/a.jpg,cat\n", MatchBy::basename).of_row,
              ElementsAre(0, -1, -1, -1, -1));
  EXPECT_THAT(name_error("id,label\np/a.jpg,cat\nq/a.jpg,dog\n", MatchBy::basename),
              HasSubstr("'q/a.jpg' ('cat', then 'dog' in line 3)"));
  EXPECT_THAT(name_error("id,label\nfolder/,cat\n", MatchBy::basename),
              HasSubstr("1 labelled name stands for no row: ''"));
}

TEST_F(LabelsTest, NamesOfSeveralRowsAreListed) {
  Names ids;
  for (const char* name : {"a", "b", "a", "b", "a", "c"}) ids.add(name);
  const auto read = [&](std::string_view content) { return read_labels(file(content), 6, &ids, MatchBy::name); };
  EXPECT_THAT(
      error_of([&] { read("id,label\nb,x\nc,x\na,y\n"); }),
      StartsWith("input: 2 labelled names stand for several rows: 'b' (rows 1 and 3), 'a' (rows 0, 2 and 1 more); "));
  EXPECT_THAT(read("id,label\nc,x\n").of_row, ElementsAre(-1, -1, -1, -1, -1, 0));  // others may be what they like
}

TEST_F(LabelsTest, TwoLabelsMustBeTheSame) {
  EXPECT_THAT(by_name("id,label\nx/a.jpg,cat\nx/b.jpg,dog\nx/a.jpg,cat\nx/a.jpg,\n").of_row,
              ElementsAre(0, 1, -1, -1, -1));
  EXPECT_THAT(name_error("id,label\nx/a.jpg,cat\nx/b.jpg,dog\nx/a.jpg,dog\nx/a.jpg,cow\n"),
              StartsWith("input: 1 name or row has different labels: 'x/a.jpg' ('cat', then 'dog' in line 4); "));
  EXPECT_THAT(by_row("row,label\n1,cat\n1,cat\n").of_row, ElementsAre(-1, 0, -1, -1, -1));
  EXPECT_THAT(row_error("row,label\n1,cat\n2,cat\n2,dog\n1,dog\n"),
              StartsWith("input: 2 names or rows have different labels: row 2 ('cat', then 'dog' in line 4), row 1 ("));
}

TEST_F(LabelsTest, RowsOutOfRangeAreListed) {
  EXPECT_THAT(
      row_error("row,label\n5,a\n0,a\n-1,a\n1.0,a\n,a\n99999999999999999999,a\nx,\n"),
      StartsWith("input: 5 rows are not numbers from 0 to 4: '5' (line 2), '-1' (line 4), '1.0' (line 5), '' (line 6), "
                 "'99999999999999999999' (line 7); "));
}

TEST_F(LabelsTest, NegativeNumbersAreNoClasses) {
  EXPECT_THAT(row_error("row,label\n0,-2\n1,-1\n2,3\n"),
              HasSubstr("1 label is a negative number other than -1 (which means: none): '-2' (line 2)"));
  EXPECT_THAT(row_error("a\n-3\nb\n\n\n"), HasSubstr("'-3' (line 2)"));
  EXPECT_THAT(by_row("row,label\n0,-x\n1,-\n").classes, ElementsAre("-", "-x"));
}

TEST_F(LabelsTest, EveryKindOfProblemComesInOneMessage) {
  ids_.add("x/a.jpg");
  EXPECT_THAT(
      name_error("id,label\nx/b.jpg,cat\nq,cat\nx/a.jpg,cat\nx/b.jpg,dog\ny/c.jpg,-5\n"),
      AllOf(HasSubstr(
          "stands for no row: 'q'; 1 labelled name stands for several rows: 'x/a.jpg' (rows 0 and 5); "
          "1 name or row has different labels: 'x/b.jpg' ('cat', then 'dog' in line 5); 1 label is a negative")));
}

TEST_F(LabelsTest, NamesAndRowsMustBeAsMany) {
  EXPECT_THROW(read_labels(file("id,label\n"), 4, &ids_, MatchBy::name), std::logic_error);
}

}  // namespace
}  // namespace lowshot
