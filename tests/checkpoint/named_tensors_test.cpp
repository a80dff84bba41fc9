#include "lowshot/named_tensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "oracle/views.h"

namespace lowshot {
namespace {

using oracle::error_of;
using testing::ElementsAre;
using testing::HasSubstr;

template <typename T>
Tensor tensor(TensorType type, const std::vector<T>& values) {
  Tensor t{type, {values.size()}, std::vector<std::byte>(values.size() * sizeof(T))};
  if (!values.empty()) std::memcpy(t.bytes.data(), values.data(), t.bytes.size());
  return t;
}

TEST(NamedTensors, ValuesOfEveryTypeAsFloats) {
  EXPECT_THAT(tensor<float>(TensorType::float32, {1.5f, -2}).float_values(), ElementsAre(1.5f, -2));
  EXPECT_THAT(tensor<double>(TensorType::float64, {0.25, 1e300}).float_values(), ElementsAre(0.25f, INFINITY));
  EXPECT_THAT(tensor<std::uint16_t>(TensorType::float16, {0x3e00, 0xc000, 0x7c00, 0x0001}).float_values(),
              ElementsAre(1.5f, -2, INFINITY, std::ldexp(1.0f, -24)));
  EXPECT_THAT(tensor<std::uint16_t>(TensorType::bfloat16, {0x3fc0, 0xc000, 0xff80}).float_values(),
              ElementsAre(1.5f, -2, -INFINITY));
  EXPECT_THAT(tensor<std::int8_t>(TensorType::int8, {-128, 127}).float_values(), ElementsAre(-128, 127));
  EXPECT_THAT(tensor<std::uint8_t>(TensorType::uint8, {0, 255}).float_values(), ElementsAre(0, 255));
  EXPECT_THAT(tensor<std::uint8_t>(TensorType::boolean, {0, 1}).float_values(), ElementsAre(0, 1));
  EXPECT_THAT(tensor<std::int16_t>(TensorType::int16, {-32768, 5}).float_values(), ElementsAre(-32768, 5));
  EXPECT_THAT(tensor<std::int32_t>(TensorType::int32, {-7, 1 << 30}).float_values(), ElementsAre(-7, 1073741824));
  EXPECT_THAT(tensor<std::int64_t>(TensorType::int64, {-7, std::int64_t{1} << 40}).float_values(),
              ElementsAre(-7, 1099511627776.0f));
  EXPECT_EQ(tensor<double>(TensorType::float64, {1, 2, 3}).size(), 3u);
  EXPECT_TRUE(tensor<float>(TensorType::float32, {}).float_values().empty());
}

TEST(NamedTensors, HalvesRoundAndRefuseWhatBecomesInfinite) {
  const float infinity = std::numeric_limits<float>::infinity();
  const Tensor half = to_float16("w", tensor<float>(TensorType::float32, {1.0f / 3, 65519, -infinity, NAN}));
  EXPECT_EQ(half.type, TensorType::float16);
  EXPECT_EQ(half.bytes.size(), 8u);
  const std::vector<float> values = half.float_values();
  EXPECT_EQ(values[0], 0.333251953125f);
  EXPECT_EQ(values[1], 65504);
  EXPECT_EQ(values[2], -infinity);
  EXPECT_TRUE(std::isnan(values[3]));
  EXPECT_THAT(error_of([] {
                to_float16("conv.weight", tensor<float>(TensorType::float32, {0, -65520}));
              }),
              testing::AllOf(HasSubstr("input: tensor 'conv.weight'"), HasSubstr("-65520")));
}

}  // namespace
}  // namespace lowshot
