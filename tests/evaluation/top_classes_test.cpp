// The best classes of a row, fed slice by slice in any order, against a full sort.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "lowshot/evaluation.h"

namespace {

using lowshot::Matrix;
using lowshot::MatrixView;
using lowshot::TopClasses;
using testing::ElementsAre;
using testing::ElementsAreArray;

constexpr float infinity = std::numeric_limits<float>::infinity();

Matrix<float> columns(const Matrix<float>& all, std::size_t begin, std::size_t end) {
  Matrix<float> slice(all.rows(), end - begin);
  for (std::size_t i = 0; i < all.rows(); ++i) std::copy(all.row(i) + begin, all.row(i) + end, slice.row(i));
  return slice;
}

// Every class sorted: higher score first, then the lower class; nothing for a row without a positive score.
std::vector<std::int32_t> sorted_classes(const float* scores, std::size_t classes, std::size_t width) {
  std::vector<std::int32_t> order(classes);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) { return scores[a] > scores[b]; });
  if (!std::any_of(scores, scores + classes, [](float s) { return s > 0; })) order.clear();
  order.resize(width, -1);
  return order;
}

void expect_sorted(const TopClasses& top, const Matrix<float>& scores) {
  for (std::size_t i = 0; i < scores.rows(); ++i) {
    const auto expected = sorted_classes(scores.row(i), scores.cols(), top.width());
    ASSERT_THAT(top.row(i), ElementsAreArray(expected)) << "row " << i;
    for (std::size_t p = 0; p < top.width(); ++p) {
      ASSERT_EQ(top.row_scores(i)[p], expected[p] < 0 ? -infinity : scores(i, expected[p])) << "row " << i;
    }
  }
}

// Few values, so that ties are everywhere; many rows have less than five positive scores, some none.
Matrix<float> scores_with_ties(std::size_t rows, std::size_t classes, int values, std::uint32_t seed) {
  Matrix<float> scores(rows, classes);
  std::mt19937 generator(seed);
  for (std::size_t i = 0; i < rows; ++i) {
    const int range = 1 + static_cast<int>(generator() % static_cast<std::uint32_t>(values));
    for (std::size_t c = 0; c < classes; ++c) {
      scores(i, c) = 0.25f * static_cast<float>(static_cast<int>(generator() % static_cast<std::uint32_t>(range)) - 1);
    }
  }
  return scores;
}

TEST(TopClasses, SlicesInAnyOrderAgainstASort) {
  for (const std::size_t classes : {1u, 4u, 5u, 6u, 8u, 9u, 50u, 67u}) {
    for (const std::uint32_t width : {1u, 5u, 7u}) {
      for (std::uint32_t seed = 0; seed < 6; ++seed) {
        SCOPED_TRACE(testing::Message() << classes << " classes, width " << width << ", seed " << seed);
        const Matrix<float> scores = scores_with_ties(101, classes, 2 + 3 * static_cast<int>(seed), seed);
        std::mt19937 generator(seed);
        std::vector<std::pair<std::size_t, std::size_t>> slices;
        for (std::size_t begin = 0; begin < classes;) {
          const std::size_t end = std::min<std::size_t>(classes, begin + 1 + generator() % 20);
          slices.emplace_back(begin, end);
          begin = end;
        }
        if (seed > 0) std::shuffle(slices.begin(), slices.end(), generator);
        if (seed == 1) std::sort(slices.rbegin(), slices.rend());
        TopClasses top(scores.rows(), width);
        for (const auto& [begin, end] : slices) {
          top.offer(static_cast<std::uint32_t>(begin), columns(scores, begin, end), seed % 2 == 0 ? 1 : 3);
        }
        expect_sorted(top, scores);
      }
    }
  }
}

TEST(TopClasses, LowerClassWinsTies) {
  Matrix<float> scores(1, 12);
  std::fill_n(scores.data(), 12, 0.5f);
  TopClasses top(1);
  top.offer(8, columns(scores, 8, 12));
  EXPECT_THAT(top.row(0), ElementsAre(8, 9, 10, 11, -1));
  top.offer(0, columns(scores, 0, 8));
  EXPECT_THAT(top.row(0), ElementsAre(0, 1, 2, 3, 4));
}

TEST(TopClasses, ZerosCountOnlyBesideAPositiveScore) {
  Matrix<float> scores = Matrix<float>::zeroed(3, 6);
  scores(1, 4) = 1e-38f;
  scores(2, 0) = -1;
  TopClasses top(3);
  top.offer(0, scores);
  EXPECT_THAT(top.row(0), ElementsAre(-1, -1, -1, -1, -1));
  EXPECT_THAT(top.row(1), ElementsAre(4, 0, 1, 2, 3));
  EXPECT_THAT(top.row(2), ElementsAre(-1, -1, -1, -1, -1));
  EXPECT_THAT(top.row_scores(2), ElementsAre(-infinity, -infinity, -infinity, -infinity, -infinity));
  EXPECT_TRUE(top.unreached(0));
  EXPECT_FALSE(top.unreached(1));
  EXPECT_EQ(top.unreached_rows(), 2u);
}

TEST(TopClasses, NanNeverWinsAndInfinitiesAreScores) {
  Matrix<float> scores(1, 9);
  for (std::size_t c = 0; c < 9; ++c) scores(0, c) = std::numeric_limits<float>::quiet_NaN();
  scores(0, 3) = -infinity;
  scores(0, 7) = infinity;
  TopClasses top(1);
  top.offer(0, scores);
  EXPECT_THAT(top.row(0), ElementsAre(7, 3, -1, -1, -1));
}

TEST(TopClasses, ScoresOfAnySignLeaveNoRowUnreached) {
  Matrix<float> scores(3, 4);
  const float rows[3][4] = {{-3, -1, -2, -1}, {0, 0, 0, 0}, {NAN, NAN, NAN, NAN}};
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t c = 0; c < 4; ++c) scores(i, c) = rows[i][c];
  TopClasses top(3, 3, TopClasses::Scores::any_sign);
  top.offer(0, scores);
  EXPECT_THAT(top.row(0), ElementsAre(1, 3, 2));
  EXPECT_THAT(top.row(1), ElementsAre(0, 1, 2));
  EXPECT_EQ(top.unreached_rows(), 1u);  // the row of NaNs
}

TEST(TopClasses, NoRowsAndNoClasses) {
  TopClasses none(0);
  none.offer(0, Matrix<float>(0, 3));
  EXPECT_EQ(none.unreached_rows(), 0u);
  TopClasses top(2);
  top.offer(0, Matrix<float>(2, 0));
  EXPECT_EQ(top.unreached_rows(), 2u);
  EXPECT_THAT(top.row(1), ElementsAre(-1, -1, -1, -1, -1));
}

}  // namespace
