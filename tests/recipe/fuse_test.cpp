#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "lowshot/recipe.h"
#include "oracle/fusion.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

TEST(Fuse, NovelClassesOfFewLabelsAreFavoured) {
  EXPECT_EQ(novel_offset(0), 0);
  EXPECT_DOUBLE_EQ(novel_offset(1), 1.25);
  EXPECT_NEAR(novel_offset(2), 1.25 - 0.35 * 0.693147180559945, 1e-12);
  EXPECT_NEAR(novel_offset(35), 1.25 - 0.35 * 3.55534806148941, 1e-12);
  EXPECT_EQ(novel_offset(36), 0);  // e^(1.25 / 0.35) = 35.6
  EXPECT_EQ(novel_offset(1'000'000'000'000), 0);
}

TEST(Fuse, TheClassifiersShareFollowsTheOdds) {
  const auto share = [](Share near, Share all) { return in_domain(near, all).classifier_share; };
  EXPECT_EQ(share({0, 50}, {0, 100}), 0.5);  // no unlabelled rows
  const Share half{50, 100};                 // odds 1
  EXPECT_EQ(share({0, 100}, half), 0.65);
  EXPECT_EQ(share({37, 100}, half), 0.65);  // 37/63 = .587
  EXPECT_EQ(share({38, 100}, half), 0.35);  // 38/62 = .613
  EXPECT_EQ(share({61, 100}, half), 0.35);  // 61/39 = 1.56
  EXPECT_FALSE(in_domain({61, 100}, half).smooth);
  EXPECT_EQ(share({62, 100}, half), 0.2);  // 62/38 = 1.63
  EXPECT_TRUE(in_domain({62, 100}, half).smooth);
  EXPECT_TRUE(in_domain({100, 100}, half).smooth);     // every neighbour is unlabelled
  EXPECT_FALSE(in_domain({0, 0}, {100, 100}).smooth);  // no labelled row
  EXPECT_EQ(share({20, 100}, {20, 100}), 0.35);
}

TEST(Fuse, ProbabilitiesOfLogarithms) {
  Context context;
  Matrix<float> rows(2, 3);
  const float values[] = {0, 1000, 1000, -1, -1, -1000};
  std::copy(std::begin(values), std::end(values), rows.data());
  softmax_rows(context, rows);
  for (const std::size_t e : {1, 2, 3, 4}) EXPECT_FLOAT_EQ(rows.data()[e], 0.5f);
  EXPECT_EQ(rows(0, 0), 0);
  EXPECT_EQ(rows(1, 2), 0);
}

TEST(Fuse, RecipesHaveNames) {
  for (const Recipe recipe : {Recipe::paper, Recipe::small, Recipe::full}) EXPECT_EQ(recipe_of(name(recipe)), recipe);
  EXPECT_EQ(oracle::error_of([] { recipe_of("large"); }),
            "usage: the recipe is none of paper, small, full, auto; large");
}

TEST(Fuse, IsAsTheOracleSays) {
  std::mt19937 random(7);
  std::uniform_real_distribution<float> uniform(0, 1);
  for (const std::size_t rows : {1, 2, 33})
    for (const std::size_t classes : {1, 2, 65})
      for (const double a : {0.0, 0.35, 0.5, 1.0}) {
        oracle::Dense votes(rows, classes), scores(rows, classes);
        std::vector<double> offset(classes);
        Matrix<float> v(rows, classes), s(rows, classes);
        std::vector<float> o(classes);
        for (std::size_t c = 0; c < classes; ++c) offset[c] = o[c] = c % 3 == 0 ? uniform(random) : 0.0f;
        for (std::size_t i = 0; i < rows; ++i)
          for (std::size_t c = 0; c < classes; ++c) {
            // most votes are none; every fourth row is reached by no label
            votes(i, c) = v(i, c) = i % 4 == 1 || uniform(random) < 0.7f ? 0.0f : 1e-6f * uniform(random);
            scores(i, c) = s(i, c) = -20 * uniform(random);
          }
        const oracle::Dense expected = oracle::fused(votes, scores, offset, a);
        for (const int threads : {1, 3}) {
          Context context;
          context.threads = threads;
          Matrix<float> out(rows, classes);
          std::memcpy(out.data(), s.data(), s.size() * sizeof(float));
          fuse(context, v, o, a, out);
          for (std::size_t e = 0; e < out.size(); ++e) ASSERT_NEAR(out.data()[e], expected.values[e], 3e-6);
        }
      }
}

TEST(Recipe, TheBasePathNeedsTenClassesOfFiftyLabels) {
  std::vector<std::uint64_t> labels(12, 49);
  for (std::size_t c = 0; c < 9; ++c) labels[c] = 50;
  EXPECT_FALSE(base_path(labels).holds());
  labels[9] = 51;
  EXPECT_TRUE(base_path(labels).holds());
  EXPECT_EQ(base_path(labels).base_classes, 10u);
  EXPECT_FALSE(base_path({}).holds());
}

TEST(Recipe, SmoothingIsForcedOrForbidden) {
  const Share half{50, 100};
  EXPECT_TRUE(in_domain({10, 100}, half, Smoothing::on).smooth);
  EXPECT_EQ(in_domain({10, 100}, half, Smoothing::on).classifier_share, 0.2);
  EXPECT_FALSE(in_domain({90, 100}, half, Smoothing::off).smooth);
  EXPECT_EQ(in_domain({90, 100}, half, Smoothing::off).classifier_share, 0.2);
  EXPECT_FALSE(in_domain({0, 100}, {0, 100}, Smoothing::on).smooth);  // nothing is unlabelled
  EXPECT_NEAR(in_domain({75, 100}, half).odds, 3, 1e-12);
}

}  // namespace
}  // namespace lowshot
