#include "core/half.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

namespace lowshot {
namespace {

/// The value of a half by the definition of the format.
float slow_value(std::uint16_t bits) {
  const int exponent = (bits >> 10) & 31;
  const int mantissa = bits & 1023;
  double value = 0;
  if (exponent == 31) {
    value = mantissa == 0 ? std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  } else if (exponent == 0) {
    value = std::ldexp(mantissa, -24);
  } else {
    value = std::ldexp(1024 + mantissa, exponent - 25);
  }
  return static_cast<float>((bits & 0x8000) != 0 ? -value : value);
}

TEST(Half, EveryValueBecomesTheFloatItStandsForAndComesBack) {
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const Half half{static_cast<std::uint16_t>(bits)};
    const float expected = slow_value(half.bits);
    const float value = to_float(half);
    if (std::isnan(expected)) {
      EXPECT_TRUE(std::isnan(value)) << bits;
      EXPECT_TRUE(std::isnan(to_float(to_half(value)))) << bits;
    } else {
      EXPECT_EQ(std::bit_cast<std::uint32_t>(value), std::bit_cast<std::uint32_t>(expected)) << bits;
      EXPECT_EQ(to_half(value).bits, half.bits);
    }
  }
}

TEST(Half, RoundsToNearestTiesToEven) {
  for (std::uint16_t bits = 0; bits < 0x7bff; ++bits) {
    const float low = slow_value(bits);
    const float high = slow_value(static_cast<std::uint16_t>(bits + 1));
    const float middle = low + (high - low) / 2;  // exact: one bit more than a half has
    const auto even = static_cast<std::uint16_t>(bits % 2 == 0 ? bits : bits + 1);
    EXPECT_EQ(to_half(middle).bits, even) << bits;
    EXPECT_EQ(to_half(std::nextafter(middle, 0.0f)).bits, bits) << bits;
    EXPECT_EQ(to_half(std::nextafter(middle, 1e9f)).bits, bits + 1) << bits;
  }
}

TEST(Half, ValuesBeyondTheRangeBecomeInfinity) {
  EXPECT_EQ(to_half(65504.0f).bits, 0x7bff);
  EXPECT_EQ(to_half(65519.0f).bits, 0x7bff);
  EXPECT_EQ(to_half(65520.0f).bits, 0x7c00);
  EXPECT_EQ(to_half(-1e30f).bits, 0xfc00);
  EXPECT_EQ(to_half(-std::numeric_limits<float>::infinity()).bits, 0xfc00);
}

TEST(Half, BlocksOfEveryLengthEqualSingleValues) {
  for (std::size_t count = 0; count <= 33; ++count) {
    std::vector<Half> halves(count + 1, Half{0x1234});
    std::vector<float> floats(count + 1, 7.0f);
    for (std::size_t i = 0; i < count; ++i) halves[i].bits = static_cast<std::uint16_t>(0x3c00 + 37 * i);
    convert(halves.data(), floats.data(), count);
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(floats[i], slow_value(halves[i].bits));
    EXPECT_EQ(floats[count], 7.0f) << "wrote behind the end";
    std::vector<Half> back(count + 1, Half{0x1234});
    convert(floats.data(), back.data(), count);
    for (std::size_t i = 0; i < count; ++i) EXPECT_EQ(back[i].bits, halves[i].bits);
    EXPECT_EQ(back[count].bits, 0x1234) << "wrote behind the end";
  }
}

}  // namespace
}  // namespace lowshot
