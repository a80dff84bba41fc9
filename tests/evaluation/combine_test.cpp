#include "lowshot/combine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "oracle/views.h"

namespace lowshot {
namespace {

Matrix<float> matrix(const std::vector<std::vector<float>>& rows) {
  Matrix<float> m(rows.size(), rows[0].size());
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t c = 0; c < rows[i].size(); ++c) m(i, c) = rows[i][c];
  return m;
}

constexpr float infinity = std::numeric_limits<float>::infinity();

TEST(Combine, SharesGetAFloorAndRowsOfZerosAreUniform) {
  for (const ScoreKind kind : {ScoreKind::diffusion, ScoreKind::probabilities}) {
    Matrix<float> scores = matrix({{3, 1, 0, 0}, {0, 0, 0, 0}, {1e-30f, 0, 0, 0}});
    to_log_scores(kind, scores);
    const double expected[3][4] = {{std::log(0.7501), std::log(0.2501), std::log(1e-4), std::log(1e-4)},
                                   {-std::log(4.0), -std::log(4.0), -std::log(4.0), -std::log(4.0)},
                                   {std::log(1.0001), std::log(1e-4), std::log(1e-4), std::log(1e-4)}};
    for (std::size_t i = 0; i < 3; ++i)
      for (std::size_t c = 0; c < 4; ++c) EXPECT_FLOAT_EQ(scores(i, c), static_cast<float>(expected[i][c])) << i << c;
  }
}

TEST(Combine, LogarithmsStayButForInfinities) {
  Matrix<float> scores = matrix({{-0.5f, -infinity, -200}});
  to_log_scores(ScoreKind::log_softmax, scores);
  EXPECT_EQ(scores(0, 0), -0.5f);
  EXPECT_EQ(scores(0, 1), -1e6f);
  EXPECT_EQ(scores(0, 2), -200);
}

TEST(Combine, IsAWeightedSumThatEndsInItsParts) {
  const Matrix<float> a = matrix({{-1, -2}, {-0.25f, -8}}), b = matrix({{-3, -1}, {-1e6f, -0.125f}});
  Matrix<float> out(2, 2);
  combine_scores(a, b, 0.25, out);
  EXPECT_FLOAT_EQ(out(0, 0), -1.5f);
  EXPECT_FLOAT_EQ(out(0, 1), -1.75f);
  combine_scores(a, b, 0, out);
  for (std::size_t e = 0; e < 4; ++e) EXPECT_EQ(out.data()[e], a.data()[e]);
  combine_scores(a, b, 1, out);
  for (std::size_t e = 0; e < 4; ++e) EXPECT_EQ(out.data()[e], b.data()[e]);
}

TEST(Combine, NormalisedRowsAreProbabilities) {
  Matrix<float> scores = matrix({{-1000, -1001, -1e6f}, {5, 5, 5}});
  normalise_log_scores(scores);
  EXPECT_NEAR(scores(0, 0), -std::log(1 + std::exp(-1.0)), 1e-6);
  EXPECT_NEAR(scores(0, 1), -1 - std::log(1 + std::exp(-1.0)), 1e-6);
  for (std::size_t c = 0; c < 3; ++c) EXPECT_NEAR(scores(1, c), -std::log(3.0), 1e-6);
}

TEST(Combine, TheBestWeightOfEqualOnesIsNearestTheMiddleThenLower) {
  std::vector<double> values(weight_steps + 1, 0.5);
  EXPECT_EQ(best_weight(values), 0.5);
  values[10] = 0.4;
  EXPECT_EQ(best_weight(values), 0.45);
  values[0] = values[18] = 0.7;
  EXPECT_EQ(best_weight(values), 0.9);
  values[20] = 0.8;
  EXPECT_EQ(best_weight(values), 1.0);
}

TEST(Combine, ARowOfZerosIsWrongInTheDiffusionByItself) {
  const Matrix<float> zeros = matrix({{0, 0}, {0, 0}});
  const std::vector<std::int32_t> labels = {0, 1};
  const std::vector<bool> novel = {true, false};
  EXPECT_EQ(score_accuracy(ScoreKind::diffusion, zeros, labels, novel).top1_all, 0);
  EXPECT_EQ(score_accuracy(ScoreKind::log_softmax, zeros, labels, novel).top1_all, 0.5);
  const Accuracy some{0.1, 0.2, 0.3, 0.4};
  EXPECT_EQ(value(some, AccuracyMetric::top5_all), 0.1);
  EXPECT_EQ(value(some, AccuracyMetric::top5_novel), 0.2);
  EXPECT_EQ(value(some, AccuracyMetric::top1_all), 0.3);
  EXPECT_EQ(value(some, AccuracyMetric::top1_novel), 0.4);
}

}  // namespace
}  // namespace lowshot
