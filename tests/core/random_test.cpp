// numpy's shuffle, against sequences that numpy itself drew. All constants come from numpy 2.4 with
//   def shuffled(seed, n): a = numpy.arange(n); numpy.random.RandomState(seed).shuffle(a); return a

#include "lowshot/random.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace {

using lowshot::NumpyRandomState;

std::vector<std::uint32_t> shuffled(std::uint32_t seed, std::size_t n) {
  std::vector<std::uint32_t> values(n);
  std::iota(values.begin(), values.end(), 0u);
  NumpyRandomState(seed).shuffle(std::span(values));
  return values;
}

using Values = std::vector<std::uint32_t>;

TEST(Random, RawOutputsAreNumpys) {
  // numpy.random.RandomState(5489).randint(0, 2**32, size=3, dtype=numpy.uint32)
  NumpyRandomState random(5489);
  EXPECT_EQ(random.interval(0xffffffffu), 3499211612u);
  EXPECT_EQ(random.interval(0xffffffffu), 581869302u);
  EXPECT_EQ(random.interval(0xffffffffu), 3890346734u);
}

TEST(Random, ShortShuffles) {
  EXPECT_EQ(shuffled(1, 0), Values{});
  EXPECT_EQ(shuffled(1, 1), Values{0});
  // [shuffled(seed, 2).tolist() for seed in range(8)] and the same for 3
  const Values two[] = {{1, 0}, {0, 1}, {1, 0}, {1, 0}, {1, 0}, {0, 1}, {1, 0}, {0, 1}};
  const Values three[] = {{2, 1, 0}, {0, 2, 1}, {2, 1, 0}, {1, 0, 2}, {1, 0, 2}, {0, 1, 2}, {0, 1, 2}, {2, 1, 0}};
  for (std::uint32_t seed = 0; seed < 8; ++seed) {
    EXPECT_EQ(shuffled(seed, 2), two[seed]) << "seed " << seed;
    EXPECT_EQ(shuffled(seed, 3), three[seed]) << "seed " << seed;
  }
}

TEST(Random, TenValuesOfSeveralSeeds) {
  // for s in (0, 1, 5, 123456789, 4294967295): print(s, shuffled(s, 10).tolist())
  EXPECT_EQ(shuffled(0, 10), (Values{2, 8, 4, 9, 1, 6, 7, 3, 0, 5}));
  EXPECT_EQ(shuffled(1, 10), (Values{2, 9, 6, 4, 0, 3, 1, 7, 8, 5}));
  EXPECT_EQ(shuffled(5, 10), (Values{9, 5, 2, 4, 7, 1, 0, 8, 6, 3}));
  EXPECT_EQ(shuffled(123456789, 10), (Values{7, 0, 6, 3, 4, 5, 9, 1, 2, 8}));
  EXPECT_EQ(shuffled(4294967295u, 10), (Values{6, 9, 5, 1, 8, 0, 7, 4, 2, 3}));
}

TEST(Random, LongShufflesByHash) {
  struct Case {
    std::uint32_t seed;
    std::size_t size;
    std::uint64_t hash;  // h = 14695981039346656037; for x in a.tolist(): h = ((h ^ x) * 1099511628211) % 2**64
  };
  // Sizes around a power of two, where the mask of the rejection changes.
  const Case cases[] = {{1, 100, 9962802837175789121u},
                        {1, 65536, 451067930267316661u},
                        {1, 65537, 17801512868894609345u},
                        {1, 70000, 837872513195157875u},
                        {1, 200000, 10956109094142495213u},
                        {2, 100, 14932817721998483125u},
                        {2, 65536, 14943875338750676075u},
                        {2, 65537, 4183798937742685177u},
                        {2, 70000, 5690766816369292041u},
                        {2, 200000, 5221925406262768417u},
                        {4294967295u, 100, 12445278858191554353u},
                        {4294967295u, 65536, 8709505234768206433u},
                        {4294967295u, 65537, 14402091664805905341u},
                        {4294967295u, 70000, 15740932172769046861u},
                        {4294967295u, 200000, 15924212177934065241u}};
  for (const Case& one : cases) {
    std::uint64_t hash = 14695981039346656037u;
    for (const std::uint32_t value : shuffled(one.seed, one.size)) hash = (hash ^ value) * 1099511628211u;
    EXPECT_EQ(hash, one.hash) << "seed " << one.seed << ", size " << one.size;
  }
}

TEST(Random, OneGeneratorRunsThroughSeveralShuffles) {
  // r = RandomState(3); a, b = arange(7), arange(5); r.shuffle(a); r.shuffle(b); print(a.tolist(), b.tolist())
  Values a(7), b(5);
  std::iota(a.begin(), a.end(), 0u);
  std::iota(b.begin(), b.end(), 0u);
  NumpyRandomState random(3);
  random.shuffle(std::span(a));
  random.shuffle(std::span(b));
  EXPECT_EQ(a, (Values{4, 6, 5, 3, 1, 0, 2}));
  EXPECT_EQ(b, (Values{4, 2, 3, 1, 0}));
}

TEST(Random, IntervalStaysInRangeReachesBothEndsAndDrawsNothingForZero) {
  NumpyRandomState random(9), untouched(9);
  EXPECT_EQ(random.interval(0), 0u);
  EXPECT_EQ(random.interval(0xffffffffu), untouched.interval(0xffffffffu));
  for (const std::uint32_t max : {1u, 2u, 3u, 4u, 7u, 8u}) {
    std::vector<int> seen(max + 1);
    for (int i = 0; i < 2000; ++i) {
      const std::uint32_t value = random.interval(max);
      ASSERT_LE(value, max);
      ++seen[value];
    }
    for (std::uint32_t value = 0; value <= max; ++value) EXPECT_GT(seen[value], 0) << value << " of 0 .. " << max;
  }
}

}  // namespace
