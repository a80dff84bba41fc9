#include "lowshot/raw_rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "core/half.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using oracle::error_of;
using testing::HasSubstr;

constexpr std::uint64_t rows = 3 * gather_rows_block + 5;

float value(std::uint64_t row, std::size_t column) {
  return static_cast<float>(row % 1000) + 0.25f * static_cast<float>(column);  // float16 holds them
}

/// Counts what is read of it.
class ManyRows : public RowSource {
 public:
  std::uint64_t rows() const override { return lowshot::rows; }
  std::uint32_t dim() const override { return 2; }
  bool is_half() const override { return half; }
  void read(std::uint64_t begin, MatrixView<float> out) override {
    ASSERT_LE(begin + out.rows(), rows());
    for (std::size_t i = 0; i < out.rows(); ++i) {
      ++reads;
      for (std::size_t j = 0; j < 2; ++j)
        out(i, j) = begin + i == bad_row ? std::numeric_limits<float>::infinity() : value(begin + i, j);
    }
  }
  std::string name() const override { return "many"; }

  bool half = false;
  std::uint64_t bad_row = UINT64_MAX, reads = 0;
};

const std::vector<std::vector<std::uint32_t>> choices = {
    {},
    {0},
    {rows - 1},
    {3, 4, 7, gather_rows_block - 1, gather_rows_block, 2 * gather_rows_block + 9, rows - 2, rows - 1},
    {gather_rows_block - 1, 2 * gather_rows_block - 1}};

TEST(GatherRows, TakesThoseThatAreNamedAsTheyAreStored) {
  Context context;
  for (const bool half : {false, true})
    for (const auto& chosen : choices) {
      ManyRows source;
      source.half = half;
      RawRows gathered = gather_rows(context, source, chosen);
      const DescriptorView view = gathered.view();
      ASSERT_EQ(view.rows(), chosen.size());
      EXPECT_EQ(view.is_half(), half && !chosen.empty());
      EXPECT_LE(source.reads, chosen.empty() ? 0 : chosen.back() - chosen.front() + 1);
      const Matrix<float> single = single_rows(std::move(gathered));
      ASSERT_EQ(single.rows(), chosen.size());
      for (std::size_t i = 0; i < chosen.size(); ++i)
        for (std::size_t j = 0; j < 2; ++j) EXPECT_EQ(single(i, j), value(chosen[i], j));
      EXPECT_EQ(raw_bytes(source, 7), 7u * 2 * (half ? 2 : 4));
    }
}

TEST(GatherRows, NamesTheRowThatCannotBeUsed) {
  Context context;
  ManyRows source;
  for (const std::uint32_t row : choices[3]) {
    source.bad_row = row;
    EXPECT_THAT(error_of([&] { gather_rows(context, source, choices[3]); }),
                HasSubstr("many, row " + std::to_string(row) + ", column 0"));
  }
  source.bad_row = 5;
  EXPECT_THAT(error_of([&] { gather_rows(context, source, choices[3]); }), HasSubstr("many, row 5"))
      << "between others";
  source.bad_row = 2;
  EXPECT_EQ(error_of([&] { gather_rows(context, source, choices[3]); }), "nothing was thrown") << "it is not read";
}

}  // namespace
}  // namespace lowshot
