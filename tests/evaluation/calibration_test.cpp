#include "lowshot/calibration.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace lowshot {
namespace {

struct Drawn {
  Matrix<float> scores;
  std::vector<std::int32_t> labels;
};

// Scores whose classes are drawn from softmax(scores / temperature).
Drawn drawn(std::size_t rows, std::size_t classes, double temperature) {
  std::mt19937_64 random(7);
  std::normal_distribution<double> normal(0, 3);
  Drawn d{Matrix<float>(rows, classes), std::vector<std::int32_t>(rows)};
  for (std::size_t i = 0; i < rows; ++i) {
    std::vector<double> weights(classes);
    for (std::size_t c = 0; c < classes; ++c) {
      d.scores(i, c) = static_cast<float>(normal(random));
      weights[c] = std::exp(d.scores(i, c) / temperature);
    }
    d.labels[i] = std::discrete_distribution<std::int32_t>(weights.begin(), weights.end())(random);
  }
  return d;
}

TEST(Calibration, FindsTheTemperatureThatDrewTheClasses) {
  for (const double temperature : {0.4, 1.0, 5.0}) {
    const Drawn d = drawn(20000, 6, temperature);
    const double fitted = fit_temperature(d.scores, d.labels);
    EXPECT_NEAR(fitted / temperature, 1, 0.05);
    const double least = log_loss(d.scores, d.labels, fitted);
    for (const double other : {0.9, 1.1}) EXPECT_LT(least, log_loss(d.scores, d.labels, other * fitted));
  }
}

TEST(Calibration, LogLossIsItsFormula) {
  Matrix<float> scores(2, 2);
  scores(0, 0) = 1000, scores(0, 1) = 998, scores(1, 0) = -3, scores(1, 1) = -3;
  const std::vector<std::int32_t> labels{1, 0};
  EXPECT_NEAR(log_loss(scores, labels, 2), (std::log(1 + std::exp(1.0)) + std::log(2.0)) / 2, 1e-12);
  EXPECT_EQ(log_loss({}, {}, 1), 0);
}

TEST(Calibration, FewRowsAllRightClaimNoCertainty) {
  // Two rows, two classes: the own class counts 3/4, so softmax(d / T) = 3/4 at d / T = log 3.
  Matrix<float> scores(2, 2);
  scores(0, 0) = 4, scores(0, 1) = 0, scores(1, 0) = -1, scores(1, 1) = 3;
  EXPECT_NEAR(fit_temperature(scores, std::vector<std::int32_t>{0, 1}), 4 / std::log(3.0), 1e-6);
}

TEST(Calibration, NothingToLearnFromLeavesScoresAsTheyAre) {
  EXPECT_EQ(fit_temperature({}, {}), 1);
  EXPECT_EQ(fit_temperature(Matrix<float>::zeroed(3, 1), std::vector<std::int32_t>{0, 0, 0}), 1);
}

TEST(Calibration, ErrorIsTheGapOfEachBin) {
  // Two bins: (0, .5] holds .5 right and .3 wrong: gap |1 - .8|; (.5, 1] holds .9 wrong and 1 right: gap |1 - 1.9|.
  const std::vector<float> confidences{0.5f, 0.3f, 0.9f, 1};
  const std::vector<std::uint8_t> right{1, 0, 0, 1};
  EXPECT_NEAR(expected_calibration_error(confidences, right, 2), (0.2 + 0.9) / 4, 1e-6);
  EXPECT_EQ(expected_calibration_error({}, {}), 0);
  EXPECT_NEAR(expected_calibration_error(std::vector<float>{0}, std::vector<std::uint8_t>{1}), 1, 1e-12);
}

TEST(Calibration, DrawnClassesAreCalibratedAtTheirTemperatureOnly) {
  const Drawn d = drawn(20000, 4, 2);
  const auto error = [&](double temperature) {
    std::vector<float> confidences;
    std::vector<std::uint8_t> right;
    for (std::size_t i = 0; i < d.scores.rows(); ++i) {
      std::size_t best = 0;
      double sum = 0;
      for (std::size_t c = 0; c < 4; ++c) {
        if (d.scores(i, c) > d.scores(i, best)) best = c;
        sum += std::exp(d.scores(i, c) / temperature);
      }
      confidences.push_back(static_cast<float>(std::exp(d.scores(i, best) / temperature) / sum));
      right.push_back(static_cast<std::int32_t>(best) == d.labels[i]);
    }
    return expected_calibration_error(confidences, right);
  };
  EXPECT_LT(error(fit_temperature(d.scores, d.labels)), 0.02);
  EXPECT_GT(error(1), 0.1);
}

}  // namespace
}  // namespace lowshot
