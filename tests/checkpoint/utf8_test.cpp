#include "checkpoint/utf8.h"

#include <gtest/gtest.h>

namespace lowshot::checkpoint {
namespace {

/// UTF-8 of one code point, as its definition says.
std::string encoded(std::uint32_t c) {
  const auto follow = [&](int shift) { return static_cast<char>(0x80 | (c >> shift & 0x3f)); };
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xc0 | c >> 6), follow(0)};
  if (c < 0x10000) return {static_cast<char>(0xe0 | c >> 12), follow(6), follow(0)};
  return {static_cast<char>(0xf0 | c >> 18), follow(12), follow(6), follow(0)};
}

TEST(Utf8, TakesEveryCodePointAndNoSurrogate) {
  for (std::uint32_t c = 0; c < 0x120000; ++c)
    ASSERT_EQ(is_utf8(std::string("a") + encoded(c) + "b"), (c < 0xd800 || c > 0xdfff) && c < 0x110000) << c;
}

TEST(Utf8, RefusesWhatIsCutOrOverlong) {
  for (const char* text : {"\x80", "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf",
                           "\xf0\x8f\xbf\xbf", "\xf5\x80\x80\x80", "\xff", "\xe2\x28\xa1"})
    EXPECT_FALSE(is_utf8(text)) << text;
  EXPECT_TRUE(is_utf8(""));
}

TEST(Utf8, NamesAreShownOnOneLine) {
  EXPECT_EQ(shown("module.weight"), "'module.weight'");
  EXPECT_EQ(shown("a\nb\x1b\x7f"), "'a?b?\?'");
  EXPECT_EQ(shown("\xc3\xbc"), "'\xc3\xbc'");
  EXPECT_EQ(shown("\xc3\xbc\xff"), "'?\?\?'");
  EXPECT_EQ(shown(std::string(101, 'x')), "'" + std::string(100, 'x') + "...'");
  EXPECT_EQ(shown(std::string(99, 'x') + "\xc3\xbc"), "'" + std::string(99, 'x') + "...'")
      << "not in the middle of one";
}

}  // namespace
}  // namespace lowshot::checkpoint
