#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "lowshot/knn_table.h"

namespace lowshot {
namespace {

TEST(DropNegative, EmptiesThePlacesOfNegativeSimilarities) {
  constexpr float infinity = std::numeric_limits<float>::infinity();
  KnnTable table{Matrix<NodeId>(2, 3), Matrix<float>(2, 3)};
  const NodeId ids[] = {4, 2, 7, 1, 5, no_node};
  const float similarities[] = {0.5f, 0.0f, -1e-20f, -0.0f, -3.0f, -infinity};
  std::copy(std::begin(ids), std::end(ids), table.ids.data());
  std::copy(std::begin(similarities), std::end(similarities), table.similarities.data());
  drop_negative(table);
  const NodeId left[] = {4, 2, no_node, 1, no_node, no_node};
  const float left_similarities[] = {0.5f, 0.0f, -infinity, -0.0f, -infinity, -infinity};
  EXPECT_TRUE(std::equal(std::begin(left), std::end(left), table.ids.data()));
  EXPECT_TRUE(std::equal(std::begin(left_similarities), std::end(left_similarities), table.similarities.data()));
}

TEST(DropNegative, OfAnEmptyTableIsEmpty) {
  KnnTable table;
  drop_negative(table);
  EXPECT_EQ(table.rows(), 0u);
}

}  // namespace
}  // namespace lowshot
