#include "io/flat_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <stdexcept>
#include <vector>

#include "lowshot/io.h"
#include "oracle/files.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using fixtures::put;
using fixtures::put_at;
using fixtures::raw;
using fixtures::TemporaryDirectory;
using oracle::error_of;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

std::string counting(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(i);
  return raw(values.data(), count);
}

TEST(RawRows, ReadsAnyBlockInAnyOrder) {
  const TemporaryDirectory directory;
  put(directory / "a.raw", counting(35));
  const auto source = open_raw_rows(directory / "a.raw", 5);
  EXPECT_EQ(source->rows(), 7u);
  EXPECT_EQ(source->dim(), 5u);
  EXPECT_EQ(source->name(), (directory / "a.raw").string());
  for (std::size_t begin = 7; begin-- > 0;) {
    for (std::size_t count = 0; begin + count <= 7; ++count) {
      Matrix<float> rows(count, 5);
      source->read(begin, rows);
      for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_EQ(rows.data()[i], static_cast<float>(begin * 5 + i));
    }
  }
}

TEST(RawRows, RefusesASizeThatIsNoMultipleOfARow) {
  const TemporaryDirectory directory;
  put(directory / "a.raw", counting(35) + "x");
  EXPECT_THAT(error_of([&] { open_raw_rows(directory / "a.raw", 5); }),
              AllOf(StartsWith("input: "), HasSubstr("20 bytes"), HasSubstr("141 bytes")));
  EXPECT_THAT(error_of([&] { open_raw_rows(directory / "a.raw", 0); }), StartsWith("usage: "));
  put(directory / "empty.raw", "");
  EXPECT_EQ(open_raw_rows(directory / "empty.raw", 5)->rows(), 0u);
}

TEST(RawRows, AWrongCallIsABugAndNotBadData) {
  const TemporaryDirectory directory;
  put(directory / "a.raw", counting(35));
  const auto source = open_raw_rows(directory / "a.raw", 5);
  Matrix<float> narrow(1, 4), two(2, 5);
  EXPECT_THROW(source->read(0, narrow), std::logic_error);
  EXPECT_THROW(source->read(6, two), std::logic_error);
  EXPECT_THROW(source->read(UINT64_MAX, two), std::logic_error);
}

TEST(RawRows, AFileThatShrinksAfterItWasOpenedGivesASentence) {
  const TemporaryDirectory directory;
  put(directory / "a.raw", counting(35));
  const auto source = open_raw_rows(directory / "a.raw", 5);
  fs::resize_file(directory / "a.raw", 30);
  Matrix<float> rows(7, 5);
  EXPECT_THAT(error_of([&] { source->read(0, rows); }), AllOf(StartsWith("input: "), HasSubstr("shrank to 30 bytes")));
}

TEST(OpenRows, SaysWhyAFileCannotBeOpened) {
  const TemporaryDirectory directory;
  for (const char* name : {"a.npy", "a.hdf5", "a.h5", "a.index", "a.raw"}) {
    EXPECT_THAT(error_of([&] { open_rows(directory / name, 5); }),
                AllOf(StartsWith("input: "), HasSubstr("No such file"), HasSubstr(name)));
    fs::create_directory(directory / name);
    EXPECT_THAT(error_of([&] { open_rows(directory / name, 5); }),
                AllOf(StartsWith("input: "), HasSubstr("a directory"), HasSubstr(name)));
  }
}

TEST(OpenRows, GoesByTheEnding) {
  const TemporaryDirectory directory;
  put(directory / "a.raw", counting(35));
  EXPECT_EQ(open_rows(directory / "a.raw", 7)->rows(), 5u);
  EXPECT_THAT(error_of([&] { open_rows(directory / "a.raw"); }), AllOf(StartsWith("usage: "), HasSubstr("dimension")));
  for (const char* name : {"a.npy", "a.hdf5", "a.h5", "a.index"}) {
    put(directory / name, counting(35));
    EXPECT_THAT(error_of([&] { open_rows(directory / name); }), StartsWith("input: ")) << name;
  }
}

// Positions beyond 2^32 bytes: the last rows of a file with a hole of 5 GiB before them.
constexpr std::uint64_t five_gib = std::uint64_t{5} << 30;

TEST(LargeFiles, RawRowsBeyondFourGibibytes) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "large.raw";
  constexpr std::uint64_t dim = 256, rows = five_gib / (4 * dim) + 3;
  if (!fixtures::make_sparse(path, rows * dim * 4)) GTEST_SKIP() << "the file system has no sparse files";
  put_at(path, (rows - 2) * dim * 4, counting(2 * dim));
  put_at(path, (((rows - 2) * dim * 4) & 0xffffffffu), raw(-1.0f));  // where a 32-bit offset would look
  const auto source = open_raw_rows(path, dim);
  ASSERT_EQ(source->rows(), rows);
  Matrix<float> last(3, dim);
  source->read(rows - 3, last);
  EXPECT_EQ(last(0, 0), 0.0f);
  for (std::size_t i = 0; i < 2 * dim; ++i) ASSERT_EQ(last.row(1)[i], static_cast<float>(i));
}

TEST(LargeFiles, NpyRowsBeyondFourGibibytes) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "large.npy";
  constexpr std::uint64_t dim = 256, rows = five_gib / (4 * dim) + 3, data = 128;
  if (!fixtures::make_sparse(path, data + rows * dim * 4)) GTEST_SKIP() << "the file system has no sparse files";
  std::string dict = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + std::to_string(rows) + ", 256), }";
  dict.resize(data - 11, ' ');
  put_at(path, 0, std::string("\x93NUMPY\x01\x00\x76\x00", 10) + dict + "\n");
  put_at(path, data + (rows - 2) * dim * 4, counting(2 * dim));
  const auto source = slice_rows(open_npy_rows(path), rows - 5, rows);
  Matrix<float> last(3, dim);
  source->read(2, last);
  EXPECT_EQ(last(0, 0), 0.0f);
  for (std::size_t i = 0; i < 2 * dim; ++i) ASSERT_EQ(last.row(1)[i], static_cast<float>(i));
}

TEST(SliceRows, AndConcatenationNumberRowsThrough) {
  const TemporaryDirectory directory;
  put(directory / "a.raw", counting(12));
  const auto open = [&](std::uint64_t begin, std::uint64_t end) {
    return slice_rows(open_raw_rows(directory / "a.raw", 2), begin, end);
  };
  std::vector<std::unique_ptr<RowSource>> parts;
  parts.push_back(open(4, 6));
  parts.push_back(open(3, 3));
  parts.push_back(open(0, 6));
  parts.push_back(open(5, 6));
  const auto all = concatenate_rows(std::move(parts));
  const std::vector<float> expected = {8, 10, 0, 2, 4, 6, 8, 10, 10};
  ASSERT_EQ(all->rows(), expected.size());
  for (std::size_t begin = 0; begin <= expected.size(); ++begin) {
    for (std::size_t end = begin; end <= expected.size(); ++end) {
      Matrix<float> rows(end - begin, 2);
      all->read(begin, rows);
      for (std::size_t i = begin; i < end; ++i) EXPECT_EQ(rows(i - begin, 0), expected[i]);
    }
  }
}

TEST(SliceRows, RefusesRowsThatAreNotThereAndMixedDimensions) {
  const TemporaryDirectory directory;
  put(directory / "a.raw", counting(12));
  EXPECT_THAT(error_of([&] { slice_rows(open_raw_rows(directory / "a.raw", 2), 0, 7); }),
              AllOf(StartsWith("input: "), HasSubstr("there are 6")));
  std::vector<std::unique_ptr<RowSource>> parts;
  EXPECT_THAT(error_of([&] { concatenate_rows(std::move(parts)); }), StartsWith("usage: "));
  parts.clear();
  parts.push_back(open_raw_rows(directory / "a.raw", 2));
  parts.push_back(open_raw_rows(directory / "a.raw", 3));
  EXPECT_THAT(error_of([&] { concatenate_rows(std::move(parts)); }),
              AllOf(StartsWith("input: "), HasSubstr("2 and 3")));
}

TEST(SkipRows, LeavesThemOutWhereverAReadBegins) {
  const TemporaryDirectory directory;
  put(directory / "a.raw", counting(20));
  const auto all = open_raw_rows(directory / "a.raw", 2);
  for (const std::vector<std::uint64_t>& skipped :
       {std::vector<std::uint64_t>{}, {0}, {9}, {0, 1, 2}, {4, 5}, {0, 3, 4, 8, 9}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}}) {
    std::vector<float> expected;
    for (std::uint64_t row = 0; row < 10; ++row)
      if (std::find(skipped.begin(), skipped.end(), row) == skipped.end())
        expected.push_back(2 * static_cast<float>(row));
    const auto some = skip_rows(*all, skipped);
    ASSERT_EQ(some->rows(), expected.size());
    for (std::size_t begin = 0; begin <= expected.size(); ++begin)
      for (std::size_t end = begin; end <= expected.size(); ++end) {
        Matrix<float> rows(end - begin, 2);
        some->read(begin, rows);
        for (std::size_t i = begin; i < end; ++i) ASSERT_EQ(rows(i - begin, 0), expected[i]);
      }
  }
}

}  // namespace
}  // namespace lowshot
