#include "knn/best_scores.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <random>
#include <vector>

namespace lowshot::knn {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

// `count` scores of `values` different values (0: all different), the rest of the last 16 filled with -infinity.
std::vector<float> scores_of(std::uint32_t count, std::uint32_t values, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.3f, 0.1f);
  std::vector<float> scores((count + 15) / 16 * 16, -infinity);
  for (std::uint32_t j = 0; j < count; ++j)
    scores[j] = values == 0 ? normal(random) : static_cast<float>(random() % values) - 1;
  return scores;
}

std::vector<std::uint32_t> places_reaching(const std::vector<float>& scores, float level) {
  std::vector<std::uint32_t> places;
  each_reaching(scores.data(), static_cast<std::uint32_t>(scores.size()), level,
                [&](std::uint32_t place) { places.push_back(place); });
  return places;
}

TEST(BestScores, LevelIsReachedByAFewMoreThanWereAskedFor) {
  for (const std::uint32_t count : {2, 15, 16, 17, 63, 64, 256, 300, 1000})
    for (const std::uint32_t k : {1, 2, 7, 40, 200})
      for (const std::uint32_t spare : {0, 1, 4})
        for (const std::uint32_t values : {0, 2, 30}) {
          if (k >= count) continue;
          SCOPED_TRACE(testing::Message() << count << " scores, k " << k << ", spare " << spare << ", " << values);
          const std::vector<float> scores = scores_of(count, values, count + k);
          const float level = level_of(scores.data(), static_cast<std::uint32_t>(scores.size()), k, spare);
          std::vector<float> sorted = scores;
          std::sort(sorted.begin(), sorted.end(), std::greater<>());
          EXPECT_LE(level, sorted[k - 1]);
          if (const std::size_t over = k + spare; over < count && sorted[over] < sorted[k - 1]) {
            EXPECT_GT(level, sorted[over]);
          }
          // The places are those of a plain loop.
          std::vector<std::uint32_t> expected;
          for (std::uint32_t j = 0; j < scores.size(); ++j)
            if (scores[j] >= level) expected.push_back(j);
          EXPECT_EQ(places_reaching(scores, level), expected);
          EXPECT_EQ(greatest(scores.data(), static_cast<std::uint32_t>(scores.size())), sorted[0]);
        }
}

TEST(BestScores, ThereIsNoLevelThatMoreReachThanThereAre) {
  const std::vector<float> scores = scores_of(20, 0, 1);
  EXPECT_EQ(level_of(scores.data(), 32, 21, 4), -infinity);
  EXPECT_EQ(level_of(scores.data(), 32, 20, 4), *std::min_element(scores.begin(), scores.begin() + 20));
}

TEST(BestScores, MaximaOfGroupsAreThoseOfAPlainLoop) {
  for (const std::uint32_t count : {5, 16, 100, 256, 1000})
    for (const std::uint32_t width : {16, 48, 112}) {
      const std::vector<float> scores = scores_of(count, 0, count + width);
      std::vector<float> maxima(width), expected(width, -infinity);
      group_maxima(scores.data(), static_cast<std::uint32_t>(scores.size()), width, maxima.data());
      for (std::uint32_t j = 0; j < scores.size(); ++j) expected[j % width] = std::max(expected[j % width], scores[j]);
      EXPECT_EQ(maxima, expected) << count << " scores, " << width << " groups";
    }
}

TEST(BestScores, EqualScoresAreAllTaken) {
  const std::vector<float> scores(64, 0.5f);
  EXPECT_EQ(level_of(scores.data(), 64, 10, 2), 0.5f);
  EXPECT_EQ(places_reaching(scores, 0.5f).size(), 64u);
}

}  // namespace
}  // namespace lowshot::knn
