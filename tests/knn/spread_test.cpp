#include <gtest/gtest.h>

#include <limits>
#include <vector>

#include "lowshot/knn_table.h"

namespace lowshot {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

TEST(Spread, RowsAndIdsTakeTheirNumbersAmongAll) {
  KnnTable table{Matrix<NodeId>(2, 3), Matrix<float>(2, 3)};
  const NodeId ids[] = {0, 1, no_node, 1, 0, no_node};
  const float similarities[] = {1, 0.5F, -infinity, 1, 0.5F, -infinity};
  std::copy(std::begin(ids), std::end(ids), table.ids.data());
  std::copy(std::begin(similarities), std::end(similarities), table.similarities.data());
  const std::vector<NodeId> rows{1, 3};
  const KnnTable wide = spread(table, rows, 5);
  ASSERT_EQ(wide.rows(), 5U);
  for (const std::size_t empty : {0, 2, 4})
    for (std::size_t j = 0; j < 3; ++j) {
      EXPECT_EQ(wide.ids(empty, j), no_node);
      EXPECT_EQ(wide.similarities(empty, j), -infinity);
    }
  EXPECT_EQ(std::vector<NodeId>(wide.ids.row(1), wide.ids.row(1) + 3), (std::vector<NodeId>{1, 3, no_node}));
  EXPECT_EQ(std::vector<NodeId>(wide.ids.row(3), wide.ids.row(3) + 3), (std::vector<NodeId>{3, 1, no_node}));
  EXPECT_EQ(wide.similarities(3, 1), 0.5F);
}

}  // namespace
}  // namespace lowshot
