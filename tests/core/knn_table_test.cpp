#include "lowshot/knn_table.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <vector>

namespace lowshot {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

struct Entry {
  NodeId id;
  float similarity;
};

KnnTable table_of(const std::vector<std::vector<Entry>>& rows) {
  KnnTable table{Matrix<NodeId>(rows.size(), rows[0].size()), Matrix<float>(rows.size(), rows[0].size())};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t j = 0; j < rows[i].size(); ++j) {
      table.ids(i, j) = rows[i][j].id;
      table.similarities(i, j) = rows[i][j].similarity;
    }
  }
  return table;
}

/// What the header promises, the long way: best similarity of each id, repeatedly the best of the rest.
std::vector<Entry> slow_tidy(const std::vector<Entry>& row) {
  std::map<NodeId, float> best;
  for (const Entry& entry : row) {
    if (entry.id == no_node) continue;
    const float similarity = std::isnan(entry.similarity) ? -infinity : entry.similarity;
    const auto place = best.try_emplace(entry.id, similarity).first;
    place->second = std::max(place->second, similarity);
  }
  std::vector<Entry> result;
  while (!best.empty()) {
    auto winner = best.begin();
    for (auto it = best.begin(); it != best.end(); ++it) {
      if (it->second > winner->second) winner = it;
    }
    result.push_back({winner->first, winner->second});
    best.erase(winner);
  }
  result.resize(row.size(), {no_node, -infinity});
  return result;
}

void expect_row(const KnnTable& table, std::size_t i, const std::vector<Entry>& expected) {
  for (std::size_t j = 0; j < expected.size(); ++j) {
    EXPECT_EQ(table.ids(i, j), expected[j].id) << "row " << i << ", place " << j;
    EXPECT_EQ(table.similarities(i, j), expected[j].similarity) << "row " << i << ", place " << j;
  }
}

TEST(Tidy, SortsDropsRepeatsAndMovesHolesToTheEnd) {
  KnnTable table = table_of({{{no_node, 5.0f}, {7, 0.5f}, {3, 1.0000002f}, {7, 0.6f}, {2, 0.5f}, {9, 0.5f}}});
  tidy(table);
  expect_row(table, 0, {{3, 1.0000002f}, {7, 0.6f}, {2, 0.5f}, {9, 0.5f}, {no_node, -infinity}, {no_node, -infinity}});
}

TEST(Tidy, ASimilarityThatIsNoNumberRanksLastAndKeepsItsEdge) {
  KnnTable table = table_of({{{1, std::numeric_limits<float>::quiet_NaN()}, {no_node, 0}, {4, -2.0f}}});
  tidy(table);
  expect_row(table, 0, {{4, -2.0f}, {1, -infinity}, {no_node, -infinity}});
}

TEST(Tidy, AHoleWithASimilarityInATidyLookingRowIsCleared) {
  KnnTable table = table_of({{{1, 0.5f}, {no_node, 0.25f}}});
  tidy(table);
  expect_row(table, 0, {{1, 0.5f}, {no_node, -infinity}});
}

TEST(Tidy, EqualsTheLongWayOnRandomTablesWithAnyNumberOfThreads) {
  std::mt19937 random(5);
  for (const std::size_t k : {0, 1, 2, 3, 30, 64, 65, 200}) {
    // Few ids and few similarities: repeats and ties everywhere. Every other row is sorted, as real tables are.
    std::vector<std::vector<Entry>> rows(101, std::vector<Entry>(k));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      for (Entry& entry : rows[i]) {
        const std::uint32_t id = random() % (i % 3 == 0 ? 5 * static_cast<std::uint32_t>(k) : 40);
        entry = {id == 0 ? no_node : id, static_cast<float>(random() % 16) / 8 - 1};
      }
      if (i % 2 == 0) rows[i] = slow_tidy(rows[i]);
    }
    for (const int threads : {1, 2, 3}) {
      KnnTable table = table_of(rows);
      tidy(table, threads);
      for (std::size_t i = 0; i < rows.size(); ++i) expect_row(table, i, slow_tidy(rows[i]));
    }
  }
}

TEST(Tidy, AnEmptyTableStaysEmpty) {
  KnnTable table{Matrix<NodeId>(0, 30), Matrix<float>(0, 30)};
  tidy(table, 2);
  EXPECT_EQ(table.rows(), 0u);
}

TEST(KnnTable, FirstColumns) {
  const KnnTable first = first_columns(
      table_of({{{4, 1.0f}, {2, 0.5f}, {1, 0.25f}}, {{0, 0.75f}, {no_node, -infinity}, {no_node, -infinity}}}), 2);
  ASSERT_EQ(first.k(), 2u);
  EXPECT_EQ(first.ids(0, 1), 2u);
  EXPECT_EQ(first.similarities(0, 1), 0.5f);
  EXPECT_EQ(first.ids(1, 0), 0u);
  EXPECT_EQ(first.ids(1, 1), no_node);
}

}  // namespace
}  // namespace lowshot
