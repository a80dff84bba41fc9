#include "lowshot/class_priors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace lowshot {
namespace {

TEST(ClassPriors, AreThoseThatTheRowsWereDrawnFrom) {
  // Two normal densities one and a half apart, known, rows drawn 9 : 1; posteriors made under even priors.
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal;
  const std::size_t rows = 20000;
  Matrix<float> log_scores(rows, 2);
  for (std::size_t i = 0; i < rows; ++i) {
    const double x = normal(random) + (i % 10 == 0 ? 1.5 : 0);
    log_scores(i, 0) = static_cast<float>(-x * x / 2 + 40);  // a constant a row does not count
    log_scores(i, 1) = static_cast<float>(-(x - 1.5) * (x - 1.5) / 2 + 40);
  }
  for (const double first : {0.5, 0.2}) {  // whatever the posteriors assumed
    const std::vector<double> assumed{first, 1 - first};
    Matrix<float> posterior(rows, 2);
    for (std::size_t e = 0; e < posterior.size(); ++e)
      posterior.data()[e] = log_scores.data()[e] + static_cast<float>(std::log(assumed[e % 2]));
    const std::vector<double> priors = estimate_priors(posterior, assumed);
    EXPECT_NEAR(priors[0], 0.9, 0.02);
    EXPECT_NEAR(priors[0] + priors[1], 1, 1e-12);
  }
}

TEST(ClassPriors, StayWhereNoRowSpeaksAndNeverVanish) {
  const std::vector<double> assumed{1, 3};
  EXPECT_EQ(estimate_priors({}, assumed), (std::vector<double>{0.25, 0.75}));
  Matrix<float> sure(8, 2);
  for (std::size_t i = 0; i < 8; ++i) sure(i, 0) = 0, sure(i, 1) = -500;
  const std::vector<double> priors = estimate_priors(sure, assumed);
  EXPECT_NEAR(priors[0], 0.9, 1e-6);  // 8 rows and one more of 10
  EXPECT_NEAR(priors[1], 0.1, 1e-6);
}

TEST(ClassPriors, OffsetsTurnOnePosteriorIntoTheOther) {
  const std::vector<double> assumed{0.5, 0.5}, priors{0.8, 0.2};
  const std::vector<float> offsets = prior_offsets(priors, assumed);
  const double posterior = 0.3 * std::exp(offsets[0]) / (0.3 * std::exp(offsets[0]) + 0.7 * std::exp(offsets[1]));
  EXPECT_NEAR(posterior, 0.3 * 0.8 / (0.3 * 0.8 + 0.7 * 0.2), 1e-6);
}

}  // namespace
}  // namespace lowshot
