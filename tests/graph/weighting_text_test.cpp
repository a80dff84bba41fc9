#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lowshot/edge_weights.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using oracle::error_of;
using testing::HasSubstr;

TEST(WeightingText, IsReadAndWritten) {
  for (const char* text : {"unit", "selftuning", "cosine:3", "cosine:0.5", "weights.npy"})
    EXPECT_EQ(text_of(weighting_of(text)), text);
  EXPECT_EQ(text_of(weighting_of("cosine:3.0")), "cosine:3");
  EXPECT_EQ(weighting_of("cosine:0.5").exponent, 0.5);
  EXPECT_EQ(weighting_of("cosine:0.5").kind, Weighting::Kind::cosine);
  EXPECT_EQ(weighting_of("selftuning").gain, 2);
  EXPECT_EQ(weighting_of("cosines").kind, Weighting::Kind::listed);
}

TEST(WeightingText, RefusesExponentsThatAreNone) {
  for (const char* text : {"cosine", "cosine:", "cosine:0", "cosine:-1", "cosine:nan", "cosine:inf", "cosine:2x"})
    EXPECT_THAT(error_of([&] { weighting_of(text); }), HasSubstr("needs an exponent above 0")) << text;
}

}  // namespace
}  // namespace lowshot
