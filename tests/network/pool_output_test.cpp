#include "network/pool_output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "lowshot/error.h"

namespace lowshot {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

std::vector<float> pooled(const std::vector<std::size_t>& shape, Pooling pooling, const std::vector<float>& values) {
  const PooledOutput output = pooled_output(shape, pooling, "m.onnx");
  EXPECT_EQ(output.size(), values.size());
  std::vector<float> out(output.channels);
  output.pool(values.data(), out.data());
  return out;
}

TEST(PoolOutput, OfAMap) {
  const std::vector<float> map{1, 2, 3, 4, 5, 9, -4, -3, -2, -8, -6, -1};  // 2 channels of 2 x 3
  EXPECT_THAT(pooled({1, 2, 2, 3}, Pooling::average, map), ElementsAre(4, -4));
  EXPECT_THAT(pooled({1, 2, 2, 3}, Pooling::maximum, map), ElementsAre(9, -1));
}

TEST(PoolOutput, OfTokens) {
  const std::vector<float> tokens{1, -2, 4, -4, 7, -3};  // 3 tokens of 2 channels
  EXPECT_THAT(pooled({4, 3, 2}, Pooling::average, tokens), ElementsAre(4, -3));
  EXPECT_THAT(pooled({4, 3, 2}, Pooling::maximum, tokens), ElementsAre(7, -2));
  EXPECT_THAT(pooled({4, 3, 2}, Pooling::class_token, tokens), ElementsAre(1, -2));
}

TEST(PoolOutput, ADescriptorStaysAsItIs) {
  for (const Pooling pooling : {Pooling::none, Pooling::average, Pooling::maximum, Pooling::class_token})
    EXPECT_THAT(pooled({1, 3}, pooling, {3, 1, 2}), ElementsAre(3, 1, 2));
}

// The refusal of NaN comes later, in the extraction.
TEST(PoolOutput, NanStays) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const auto& values : {std::vector<float>{nan, 1, 2}, {1, nan, 2}, {1, 2, nan}})
    for (const Pooling pooling : {Pooling::average, Pooling::maximum})
      EXPECT_TRUE(std::isnan(pooled({1, 3, 1}, pooling, values)[0]));
}

TEST(PoolOutput, SumsManyPlacesInDoublePrecision) {
  std::vector<float> values(1 << 20, 0.1F);
  values[0] = 1e7F;
  const double expected = (1e7 + 0.1F * double((1 << 20) - 1)) / (1 << 20);
  EXPECT_FLOAT_EQ(pooled({1, 1, 1024, 1024}, Pooling::average, values)[0], static_cast<float>(expected));
}

TEST(PoolOutput, OtherShapesAreRefused) {
  const auto refuse = [](const std::vector<std::size_t>& shape, Pooling pooling, const std::string& message) {
    EXPECT_THAT([&] { pooled_output(shape, pooling, "m.onnx"); }, ThrowsMessage<Error>(HasSubstr(message)));
  };
  refuse({}, Pooling::average, "found one value; m.onnx");
  refuse({5}, Pooling::average, "found 5");
  refuse({1, 2, 3, 4, 5}, Pooling::average, "found 1 x 2 x 3 x 4 x 5");
  refuse({1, 0}, Pooling::none, "found 1 x 0");
  refuse({1, 3, 0, 4}, Pooling::average, "found 1 x 3 x 0 x 4");
  refuse({1, 8, 2, 2}, Pooling::none, "choose average or maximum");
  refuse({1, 8, 2}, Pooling::none, "choose average, maximum or class_token");
  refuse({1, 8, 2, 2}, Pooling::class_token, "no class token");
  refuse({1, std::size_t{1} << 33, std::size_t{1} << 33}, Pooling::average, "more than fits memory");
}

}  // namespace
}  // namespace lowshot
