#include "lowshot/allocation.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <new>

#include "lowshot/matrix.h"
#include "lowshot/memory.h"

namespace lowshot {
namespace {

TEST(AllocateArray, GivesCacheLinesAndLargePages) {
  EXPECT_EQ(allocate_array(0), nullptr);
  constexpr std::size_t page = std::size_t{2} << 20;
  for (const std::size_t bytes :
       {std::size_t{1}, std::size_t{64}, std::size_t{1000}, page - 1, page, page + 1, 5 * page + 3}) {
    char* memory = static_cast<char*>(allocate_array(bytes));
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory) % (bytes < page ? 64 : page), 0u) << bytes;
    std::memset(memory, 7, bytes);
    EXPECT_EQ(memory[bytes - 1], 7);
    free_array(memory);
  }
  EXPECT_THROW(allocate_array(SIZE_MAX - 5), std::bad_alloc);
}

// Large pages must not make a process larger than what it asked for, nor than what it has touched of it by much.
TEST(AllocateArray, TakesNoMoreThanWasAskedFor) {
  const std::uint64_t before = resident_bytes();
  const std::size_t bytes = (std::size_t{64} << 20) + 5000;
  void* memory = allocate_array(bytes);
  EXPECT_LT(resident_bytes(), before + (4 << 20));
  std::memset(memory, 1, bytes);
  EXPECT_LT(resident_bytes(), before + bytes + (4 << 20));
  free_array(memory);
}

TEST(GiveBackPages, KeepsWhatIsKept) {
  const std::size_t bytes = std::size_t{64} << 20, kept = (std::size_t{20} << 20) + 12345;
  unsigned char* memory = static_cast<unsigned char*>(allocate_array(bytes));
  std::memset(memory, 9, bytes);
  const std::uint64_t before = resident_bytes();
  give_back_pages(memory, kept, bytes);
  EXPECT_LT(resident_bytes() + (40 << 20), before);
  for (std::size_t i = 0; i < kept; i += 4096) ASSERT_EQ(memory[i], 9);
  EXPECT_EQ(memory[kept - 1], 9);
  memory[bytes - 1] = 3;  // still ours
  EXPECT_EQ(memory[bytes - 1], 3);
  free_array(memory);
  give_back_pages(nullptr, 0, 0);
}

TEST(Array, ResizeLeavesOldValuesAndAssignSetsThem) {
  Array<std::uint32_t> array(3, 5);
  array.resize(100000);
  EXPECT_EQ(array[2], 5u);
  array.assign(7, 1);
  EXPECT_EQ(array, (Array<std::uint32_t>{1, 1, 1, 1, 1, 1, 1}));
}

}  // namespace
}  // namespace lowshot
