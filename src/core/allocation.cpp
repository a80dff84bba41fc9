#include "lowshot/allocation.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdlib>
#include <new>

namespace lowshot {
namespace {

constexpr std::size_t line = 64, large_page = std::size_t{2} << 20;

}  // namespace

void* allocate_array(std::size_t bytes) {
  if (bytes == 0) return nullptr;
  if (bytes > SIZE_MAX / 2) throw std::bad_alloc();
  const bool large = bytes >= large_page;
  const std::size_t unit = large ? large_page : line;
  void* memory = std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit);
  if (memory == nullptr) throw std::bad_alloc();
  // The last, partly filled page stays a row of small ones: nobody pays for memory that was not asked for.
  if (large) madvise(memory, bytes / large_page * large_page, MADV_HUGEPAGE);  // a refusal changes nothing but speed
  return memory;
}

void free_array(void* memory) noexcept {
  std::free(memory);
}

void give_back_pages(void* memory, std::size_t kept, std::size_t bytes) noexcept {
  if (bytes < large_page) return;
  const std::size_t from = (kept + large_page - 1) / large_page * large_page, to = bytes / large_page * large_page;
  if (from < to) madvise(static_cast<char*>(memory) + from, to - from, MADV_DONTNEED);
}

}  // namespace lowshot
