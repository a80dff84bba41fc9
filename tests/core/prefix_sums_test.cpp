#include "core/prefix_sums.h"

#include <gtest/gtest.h>

#include <vector>

namespace lowshot {
namespace {

TEST(AddUp, IsTheRunningSumWhateverTheThreads) {
  for (const std::size_t n : {0, 1, 2, 65535, 65536, 65537, 200000, 400001})
    for (const int threads : {1, 2, 7}) {
      std::vector<std::uint64_t> values(n);
      for (std::size_t i = 0; i < n; ++i) values[i] = i % 5 + (std::uint64_t{1} << 40);
      std::uint64_t sum = 0;
      add_up(threads, values);
      for (std::size_t i = 0; i < n; ++i)
        ASSERT_EQ(values[i], sum += i % 5 + (std::uint64_t{1} << 40)) << i << " of " << n;
    }
}

}  // namespace
}  // namespace lowshot
