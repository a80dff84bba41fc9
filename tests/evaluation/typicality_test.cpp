#include "lowshot/typicality.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <random>
#include <vector>

namespace lowshot {
namespace {

TEST(Typicality, IsTheShareOfKnownRowsWithNoMoreEvidence) {
  const Typicality typicality({3, 1, 2, 2});
  EXPECT_EQ(typicality(0), 0);
  EXPECT_EQ(typicality(1), 0.25f);
  EXPECT_EQ(typicality(2), 0.75f);
  EXPECT_EQ(typicality(2.5f), 0.75f);
  EXPECT_EQ(typicality(9), 1);
}

TEST(Typicality, IsOneWhereNothingIsKnown) {
  EXPECT_FALSE(Typicality().known());
  EXPECT_EQ(Typicality()(-1e30f), 1);
}

TEST(Typicality, AurocCountsPairs) {
  std::mt19937_64 random(5);
  std::uniform_int_distribution<int> value(0, 20);  // many ties
  std::vector<float> known(300), unknown(200);
  for (float& v : known) v = static_cast<float>(value(random) + 3);
  for (float& v : unknown) v = static_cast<float>(value(random));
  double pairs = 0;
  for (const float k : known)
    for (const float u : unknown) pairs += k > u ? 1 : k == u ? 0.5 : 0;
  EXPECT_NEAR(auroc(known, unknown), pairs / (300 * 200), 1e-12);
  EXPECT_EQ(auroc({}, unknown), 0.5);
  EXPECT_EQ(auroc(std::vector<float>{2}, std::vector<float>{1}), 1);
}

}  // namespace
}  // namespace lowshot
