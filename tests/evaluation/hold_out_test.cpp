#include "lowshot/hold_out.h"

#include <gtest/gtest.h>

namespace lowshot {
namespace {

TEST(HoldOut, ClearlyBetterIsMoreThanAStandardError) {
  EXPECT_FALSE(clearly_better(0, 0));
  EXPECT_FALSE(clearly_better(1, 0));  // one row is chance
  EXPECT_TRUE(clearly_better(2, 0));
  EXPECT_FALSE(clearly_better(0, 2));
  EXPECT_FALSE(clearly_better(55, 45));  // 10 more of 100: just one standard error
  EXPECT_TRUE(clearly_better(56, 45));
  EXPECT_FALSE(clearly_better(45, 56));
}

TEST(HoldOut, FoldsLeaveALabelOfEachClass) {
  const std::vector<std::int32_t> classes = {0, 0, 0, 0, 0, 0, 0, 1, 1, 2};
  const Matrix<std::uint8_t> folds = stratified_folds(classes, 3, 5, 4, 1);
  for (std::size_t r = 0; r < 4; ++r) {
    for (std::uint8_t fold = 0; fold < 5; ++fold)
      for (std::int32_t c = 0; c < 3; ++c) {
        int left = 0;
        for (std::size_t i = 0; i < classes.size(); ++i) left += classes[i] == c && folds(r, i) != fold ? 1 : 0;
        EXPECT_GE(left, 1);
      }
    EXPECT_EQ(folds(r, 9), never_held_out);
  }
}

}  // namespace
}  // namespace lowshot
