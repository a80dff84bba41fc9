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

TEST(ClassPriors, GainIsTheMeanLogarithmOfTheReweightedSum) {
  std::mt19937_64 random(4);
  std::uniform_real_distribution<float> uniform(-5, 5);
  const std::vector<double> assumed{1, 2, 1}, priors{0.7, 0.3, 0};
  Matrix<float> log_scores(50, 3);
  double wanted = 0;
  for (std::size_t i = 0; i < 50; ++i) {
    for (std::size_t c = 0; c < 3; ++c) log_scores(i, c) = uniform(random);
    const double e0 = std::exp(log_scores(i, 0)), e1 = std::exp(log_scores(i, 1)), e2 = std::exp(log_scores(i, 2));
    wanted += std::log((e0 * 0.7 / 0.25 + e1 * 0.3 / 0.5) / (e0 + e1 + e2)) / 50;
  }
  EXPECT_NEAR(likelihood_gain(log_scores, assumed, priors), wanted, 1e-6);
  EXPECT_EQ(likelihood_gain({}, assumed, priors), 0);
  for (std::size_t i = 0; i < 50; ++i) log_scores(i, 0) = log_scores(i, 1) = -4000;  // impossible under the priors
  EXPECT_TRUE(std::isfinite(likelihood_gain(log_scores, assumed, priors)));
}

// Rows of two densities, drawn `first` : 1 - first; posteriors under equal priors.
Matrix<float> rows_of_two(double first) {
  std::mt19937_64 random(5);
  std::normal_distribution<double> normal;
  std::bernoulli_distribution is_first(first);
  Matrix<float> log_scores(4000, 2);
  for (std::size_t i = 0; i < 4000; ++i) {
    const double x = normal(random) + (is_first(random) ? 0 : 1.5);
    log_scores(i, 0) = static_cast<float>(-x * x / 2);
    log_scores(i, 1) = static_cast<float>(-(x - 1.5) * (x - 1.5) / 2);
  }
  return log_scores;
}

TEST(ClassPriors, AutomaticFollowsTheLabelsWhereTheRowsDo) {
  const std::vector<std::uint64_t> labels{89, 9};
  const ClassPriors followed = class_priors(PriorRule::automatic, {}, labels, rows_of_two(0.9));
  EXPECT_EQ(followed.rule, PriorRule::labels);
  EXPECT_EQ(followed.shares, (std::vector<double>{0.9, 0.1}));  // one more each
  EXPECT_GT(followed.gain, 0);
  EXPECT_EQ(followed.gain, followed.labels_gain);
  const ClassPriors equal = class_priors(PriorRule::automatic, {}, labels, rows_of_two(0.5));
  EXPECT_EQ(equal.rule, PriorRule::uniform);
  EXPECT_EQ(equal.shares, (std::vector<double>{0.5, 0.5}));
  EXPECT_EQ(equal.gain, 0);
  EXPECT_LT(equal.labels_gain, 0);
  // As many labels of each say nothing, whatever the rows are; nor do labels without rows.
  EXPECT_EQ(class_priors(PriorRule::automatic, {}, std::vector<std::uint64_t>{7, 7}, rows_of_two(0.9)).rule,
            PriorRule::uniform);
  EXPECT_EQ(class_priors(PriorRule::automatic, {}, labels, {}).rule, PriorRule::uniform);
}

// 73 of 100 rows and 89 of 100 labels are of the first class: likelier than halves, but a small part of what 73 : 27
// gains.
TEST(ClassPriors, AutomaticAsksForHalfOfWhatTheLikeliestSharesGain) {
  const std::vector<std::uint64_t> labels{88, 10};
  const ClassPriors priors = class_priors(PriorRule::automatic, {}, labels, rows_of_two(0.73));
  EXPECT_GT(priors.labels_gain, 0);
  EXPECT_GT(priors.most_gain, 2 * priors.labels_gain);
  EXPECT_EQ(priors.rule, PriorRule::uniform);
}

TEST(ClassPriors, OtherRulesDoAsTold) {
  const std::vector<std::uint64_t> labels{89, 9};
  const Matrix<float> rows = rows_of_two(0.5);
  EXPECT_EQ(class_priors(PriorRule::uniform, {}, labels, rows).shares, (std::vector<double>{0.5, 0.5}));
  EXPECT_EQ(class_priors(PriorRule::labels, {}, labels, rows).shares, (std::vector<double>{0.9, 0.1}));
  EXPECT_EQ(class_priors(PriorRule::given, std::vector<double>{0, 4}, labels, rows).shares,
            (std::vector<double>{0, 1}));
  EXPECT_NEAR(class_priors(PriorRule::estimated, {}, labels, rows).shares[0], 0.5, 0.03);
}

}  // namespace
}  // namespace lowshot
