#include "knn/reservoirs.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

namespace lowshot::knn {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

TEST(Candidate, HoldsWhatWasPutIn) {
  for (const float s : {-infinity, -1e30f, -1.5f, -1e-42f, 0.0f, 1e-42f, 0.25f, 3.0f, 1e30f, infinity})
    for (const NodeId id : {0u, 1u, 77u, 0x7ffffffeu, 0xfffffffeu}) {
      EXPECT_EQ(similarity_of(make_candidate(s, id)), s);
      EXPECT_EQ(id_of(make_candidate(s, id)), id);
    }
}

TEST(Candidate, MinusZeroIsZero) {
  EXPECT_EQ(make_candidate(-0.0f, 5), make_candidate(0.0f, 5));
  EXPECT_FALSE(std::signbit(similarity_of(make_candidate(-0.0f, 5))));
}

TEST(Candidate, OrderIsGreaterSimilarityThenLowerId) {
  const float rising[] = {-infinity, -2.0f, -1.0f, -1e-42f, 0.0f, 1e-42f, 1.0f, 2.0f, infinity};
  for (std::size_t i = 0; i + 1 < std::size(rising); ++i)
    EXPECT_LT(make_candidate(rising[i], 0), make_candidate(rising[i + 1], 0xfffffffe)) << rising[i];
  for (const float s : {-1.0f, 0.0f, 1.0f}) {
    EXPECT_GT(make_candidate(s, 3), make_candidate(s, 4));
    EXPECT_EQ(make_candidate(s, 3), make_candidate(s, 3));
  }
}

struct Offer {
  float similarity;
  NodeId id;
};

// Offers random similarities of a few distinct values (many ties) and compares with a sort.
void expect_k_best(std::uint32_t k, std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<Offer> offers;
  for (std::size_t i = 0; i < count; ++i)
    offers.push_back({static_cast<float>(static_cast<int>(random() % 50) - 25), static_cast<NodeId>(i)});
  std::shuffle(offers.begin(), offers.end(), random);
  Reservoirs lists(3, k);
  for (const Offer& offer : offers) lists.offer(1, offer.similarity, offer.id);
  KnnTable table{Matrix<NodeId>(4, k), Matrix<float>(4, k)};
  lists.finish(1, table, 1);
  std::sort(offers.begin(), offers.end(), [](const Offer& a, const Offer& b) {
    return a.similarity != b.similarity ? a.similarity > b.similarity : a.id < b.id;
  });
  for (std::uint32_t j = 0; j < k; ++j) {
    ASSERT_EQ(table.ids(2, j), j < count ? offers[j].id : no_node) << "k = " << k << ", " << count << " offers";
    ASSERT_EQ(table.similarities(2, j), j < count ? offers[j].similarity : -infinity);
    ASSERT_EQ(table.ids(1, j), no_node);
    ASSERT_EQ(table.ids(3, j), no_node);
  }
}

TEST(Reservoirs, KeepTheKBest) {
  for (const std::uint32_t k : {1u, 2u, 15u, 16u, 17u, 30u, 127u, 128u, 129u, 1024u}) {
    const std::size_t capacity = Reservoirs::capacity(k);
    EXPECT_GT(capacity, k);
    for (const std::size_t count : {std::size_t{0}, std::size_t{1}, std::size_t{k} - 1, std::size_t{k},
                                    std::size_t{k} + 1, capacity - 1, capacity, capacity + 1, 3 * capacity})
      expect_k_best(k, count, k + static_cast<std::uint32_t>(count));
  }
}

TEST(Reservoirs, ThresholdIsOpenUntilFullAndNeverAboveTheKthBest) {
  Reservoirs lists(17, 2);
  EXPECT_EQ(lists.thresholds()[0], -infinity);
  EXPECT_EQ(lists.thresholds()[16], -infinity);
  for (std::size_t i = 17; i < 32; ++i) EXPECT_EQ(lists.thresholds()[i], infinity) << "padding " << i;
  std::mt19937 random(4);
  std::vector<float> seen;
  for (NodeId id = 0; id < 500; ++id) {
    const float s = static_cast<float>(random() % 1000);
    lists.offer(0, s, id);
    seen.push_back(s);
    std::sort(seen.begin(), seen.end(), std::greater<>());
    if (seen.size() >= 2) {
      ASSERT_LE(lists.thresholds()[0], seen[1]);
    }
  }
  EXPECT_GT(lists.thresholds()[0], 900);  // it has risen at all
  EXPECT_EQ(lists.thresholds()[1], -infinity);
}

TEST(Reservoirs, AreRaisedToWhatKCandidatesReach) {
  Reservoirs lists(2, 2);
  for (NodeId id = 0; id < 3; ++id) lists.offer(0, static_cast<float>(id), id);
  lists.raise(0, 1);
  EXPECT_EQ(lists.thresholds()[0], 1);
  EXPECT_EQ(lists.thresholds()[1], -infinity);
  lists.offer(0, 0.5f, 7);  // cannot enter
  lists.raise(0, 0.25f);    // says less than is known
  EXPECT_EQ(lists.threshold(0), 1);
  lists.offer(0, 1, 0);  // as good as the second, with a lower number
  std::vector<NodeId> ids;
  for (const Candidate c : lists.best(0)) ids.push_back(id_of(c));
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(ids, (std::vector<NodeId>{0, 2}));
}

TEST(Reservoirs, StartFromATable) {
  KnnTable table{Matrix<NodeId>(2, 4), Matrix<float>(2, 4)};
  const NodeId ids[] = {9, 3, 5, 8, 1, no_node, no_node, no_node};
  const float similarities[] = {5, 4, 4, 2, 7, -infinity, -infinity, -infinity};
  std::copy(std::begin(ids), std::end(ids), table.ids.data());
  std::copy(std::begin(similarities), std::end(similarities), table.similarities.data());
  Reservoirs lists(2, table, 3);
  EXPECT_EQ(lists.thresholds()[0], 4);
  EXPECT_EQ(lists.thresholds()[1], -infinity);
  lists.offer(0, 4, 6);  // loses the tie with 5
  lists.offer(0, 4, 4);  // wins it
  lists.offer(1, -3, 2);
  KnnTable result{Matrix<NodeId>(2, 3), Matrix<float>(2, 3)};
  lists.finish(2, result);
  const NodeId expected[] = {9, 3, 4, 1, 2, no_node};
  EXPECT_TRUE(std::equal(std::begin(expected), std::end(expected), result.ids.data()));
}

}  // namespace
}  // namespace lowshot::knn
