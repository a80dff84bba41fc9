#include <gtest/gtest.h>

#include <vector>

#include "lowshot/evaluation.h"

namespace {

using lowshot::Accuracy;
using lowshot::accuracy;
using lowshot::Matrix;
using lowshot::mean_std;
using lowshot::TopClasses;

TEST(Accuracy, CountedByHand) {
  // 7 classes; class 5 and 6 are novel. Rows by falling score:
  const int best[5][6] = {{0, 1, 2, 3, 4, 5}, {1, 0, 5, 2, 3, 4}, {6, 5, 4, 3, 2, 1}, {0, 1, 2, 3, 4, 6}, {-1}};
  Matrix<float> scores = Matrix<float>::zeroed(5, 7);
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t p = 0; p < 6; ++p)
      scores(i, static_cast<std::size_t>(best[i][p])) = 1.0f - 0.1f * static_cast<float>(p);
  }
  TopClasses top(5);
  top.offer(0, scores);
  const std::vector<std::int32_t> labels = {0, 5, 6, 6, 0};  // first; third; first; sixth: wrong; unreached: wrong
  const std::vector<bool> is_novel = {false, false, false, false, false, true, true};
  const Accuracy result = accuracy(top, labels, is_novel);
  EXPECT_DOUBLE_EQ(result.top5_all, 3.0 / 5);
  EXPECT_DOUBLE_EQ(result.top5_novel, 2.0 / 3);
  EXPECT_DOUBLE_EQ(result.top1_all, 2.0 / 5);
  EXPECT_DOUBLE_EQ(result.top1_novel, 1.0 / 3);
}

TEST(Accuracy, FirstFiveOfAWiderTableAndAllOfANarrowerOne) {
  Matrix<float> scores(1, 8);
  for (std::size_t c = 0; c < 8; ++c) scores(0, c) = 8.0f - static_cast<float>(c);
  const std::vector<bool> base(8, false);
  TopClasses wide(1, 8), narrow(1, 2);
  wide.offer(0, scores);
  narrow.offer(0, scores);
  EXPECT_EQ(accuracy(wide, std::vector<std::int32_t>{4}, base).top5_all, 1);
  EXPECT_EQ(accuracy(wide, std::vector<std::int32_t>{5}, base).top5_all, 0);
  EXPECT_EQ(accuracy(narrow, std::vector<std::int32_t>{1}, base).top5_all, 1);
  EXPECT_EQ(accuracy(narrow, std::vector<std::int32_t>{2}, base).top5_all, 0);
}

TEST(Accuracy, NoRowsOrNoNovelRowsIsZeroNotNan) {
  const Accuracy none = accuracy(TopClasses(0), {}, {});
  EXPECT_EQ(none.top5_all, 0);
  EXPECT_EQ(none.top1_novel, 0);
  TopClasses top(1);
  Matrix<float> scores(1, 1);
  scores(0, 0) = 1;
  top.offer(0, scores);
  const Accuracy result = accuracy(top, std::vector<std::int32_t>{0}, {false});
  EXPECT_EQ(result.top1_all, 1);
  EXPECT_EQ(result.top5_novel, 0);
}

TEST(MeanStd, PopulationStandardDeviation) {
  // numpy.mean / numpy.std of [2, 4, 4, 4, 5, 5, 7, 9]: 5.0, 2.0
  const auto result = mean_std(std::vector<double>{2, 4, 4, 4, 5, 5, 7, 9});
  EXPECT_DOUBLE_EQ(result.mean, 5);
  EXPECT_DOUBLE_EQ(result.std, 2);
  EXPECT_EQ(mean_std({}).mean, 0);
  EXPECT_EQ(mean_std({}).std, 0);
  const auto one = mean_std(std::vector<double>{0.25});
  EXPECT_EQ(one.mean, 0.25);
  EXPECT_EQ(one.std, 0);
  // A deviation far below the mean is not lost: 1e8 + {0, 1, 2}.
  EXPECT_NEAR(mean_std(std::vector<double>{1e8, 1e8 + 1, 1e8 + 2}).std, 0.816496580927726, 1e-12);
}

}  // namespace
