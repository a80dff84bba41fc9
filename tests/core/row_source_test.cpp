#include "lowshot/row_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "oracle/views.h"

namespace lowshot {
namespace {

using oracle::error_of;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr float infinity = std::numeric_limits<float>::infinity();
const float nan = std::numeric_limits<float>::quiet_NaN();

MatrixView<const float> rows_of(const std::vector<float>& values, std::size_t cols) {
  return {values.data(), values.size() / cols, cols};
}

/// Row i holds i, i + 0.25, ...
class CountingRows : public RowSource {
 public:
  std::uint64_t rows() const override { return 10; }
  std::uint32_t dim() const override { return 3; }
  void read(std::uint64_t begin, MatrixView<float> out) override {
    for (std::size_t i = 0; i < out.rows(); ++i) {
      for (std::size_t j = 0; j < 3; ++j) {
        out(i, j) = static_cast<float>(begin + i) + 0.25f * static_cast<float>(j);
        if (begin + i == bad_row) out(i, j) = nan;
      }
    }
  }
  std::string name() const override { return "counting"; }

  std::uint64_t bad_row = 99;
};

TEST(RequireUsable, AcceptsOrdinaryRows) {
  const std::vector<float> values = {
      1, 2, 0, -1, 0, 0, std::numeric_limits<float>::denorm_min(), 0, std::numeric_limits<float>::max()};
  EXPECT_NO_THROW(require_usable(rows_of(values, 3), "file"));
  EXPECT_NO_THROW(require_usable({nullptr, 0, 3}, "file"));
}

TEST(RequireUsable, NamesRowAndColumnOfTheFirstValueThatIsNotFinite) {
  for (const float bad : {nan, infinity, -infinity, -nan}) {
    for (std::size_t place = 0; place < 20; ++place) {
      std::vector<float> values(20, 0.5f);
      values[place] = bad;
      values[19] = bad;
      const std::string error = error_of([&] { require_usable(rows_of(values, 5), "some file", 1000); });
      EXPECT_THAT(error, StartsWith("input: "));
      EXPECT_THAT(error, HasSubstr(std::isnan(bad) ? "NaN" : "infinity"));
      EXPECT_THAT(error, HasSubstr("some file, row " + std::to_string(1000 + place / 5) + ", column " +
                                   std::to_string(place % 5)));
    }
  }
}

TEST(RequireFinite, PassesZeroRowsAndNamesTheRest) {
  const std::vector<float> values = {1, 2, 0.0f, -0.0f, 3, nan};
  EXPECT_NO_THROW(require_finite(rows_of({values.begin(), values.begin() + 4}, 2), "file"));
  EXPECT_THAT(error_of([&] { require_finite(rows_of(values, 2), "file", 7); }),
              HasSubstr("NaN; file, row 9, column 1"));
}

TEST(RequireUsable, NamesAnAllZeroRow) {
  const std::vector<float> values = {1, 2, 0.0f, -0.0f, 3, 4};
  const std::string error = error_of([&] { require_usable(rows_of(values, 2), "file", 7); });
  EXPECT_THAT(error, AllOf(StartsWith("input: "), HasSubstr("all zero"), HasSubstr("file, row 8")));
}

TEST(NormaliseRows, GivesUnitNormAndKeepsTheDirection) {
  for (const std::size_t cols : {1, 3, 4, 5, 8, 17, 96}) {
    Matrix<float> rows(4, cols);
    for (std::size_t i = 0; i < rows.size(); ++i) rows.data()[i] = static_cast<float>(i % 7) - 2.5f;
    const std::vector<float> before(rows.data(), rows.data() + rows.size());
    normalise_rows(rows);
    for (std::size_t i = 0; i < 4; ++i) {
      long double squared = 0;
      for (std::size_t j = 0; j < cols; ++j) {
        squared += static_cast<long double>(before[i * cols + j]) * before[i * cols + j];
      }
      const long double norm = std::sqrt(squared);
      for (std::size_t j = 0; j < cols; ++j) {
        EXPECT_FLOAT_EQ(rows(i, j), static_cast<float>(before[i * cols + j] / norm));
      }
    }
  }
}

TEST(NormaliseRows, HoldsAtTheEndsOfTheRange) {
  std::vector<float> values = {3e38f, 3e38f, 0, 0, 1e-45f, 0};
  normalise_rows({values.data(), 3, 2});
  EXPECT_FLOAT_EQ(values[0], std::sqrt(0.5f));
  EXPECT_EQ(values[2], 0.0f) << "a zero row stays zero";
  EXPECT_EQ(values[3], 0.0f);
  EXPECT_FLOAT_EQ(values[4], 1.0f);
}

TEST(ReadRows, TakesARangeAndChecksIt) {
  CountingRows source;
  const Matrix<float> rows = read_rows(source, 4, 7);
  ASSERT_EQ(rows.rows(), 3u);
  EXPECT_EQ(rows(2, 1), 6.25f);
  EXPECT_EQ(read_rows(source, 10, 10).rows(), 0u);
  source.bad_row = 5;
  EXPECT_THAT(error_of([&] { read_rows(source, 4, 7); }), HasSubstr("counting, row 5, column 0"));
  EXPECT_THAT(error_of([&] { read_rows(source, 4, 11); }), AllOf(StartsWith("input: "), HasSubstr("there are 10")));
  EXPECT_THAT(error_of([&] { read_rows(source, 5, 4); }), StartsWith("input: "));
}

TEST(ReadSample, IsSpreadOverAllRows) {
  CountingRows source;
  std::vector<std::uint64_t> row_of;
  const Matrix<float> two_blocks = read_sample(source, 4, 2, &row_of);
  EXPECT_THAT(row_of, testing::ElementsAre(0, 1, 8, 9));
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(two_blocks(i, 0), static_cast<float>(row_of[i]));
  for (std::uint64_t count = 0; count <= 12; ++count)
    for (std::uint32_t blocks = 1; blocks <= 12; ++blocks) {
      row_of.clear();
      const Matrix<float> sample = read_sample(source, count, blocks, &row_of);
      ASSERT_EQ(sample.rows(), std::min<std::uint64_t>(count, 10));
      ASSERT_EQ(row_of.size(), sample.rows());
      ASSERT_TRUE(std::is_sorted(row_of.begin(), row_of.end()) &&
                  std::adjacent_find(row_of.begin(), row_of.end()) == row_of.end())
          << count << " rows in " << blocks << " blocks";
    }
  source.bad_row = 9;
  EXPECT_EQ(read_sample(source, 10)(9, 0), 0) << "a measurement goes on";
}

}  // namespace
}  // namespace lowshot
