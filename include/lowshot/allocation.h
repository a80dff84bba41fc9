#pragma once
// Memory of arrays: on cache lines, and on the processor's large pages where an array fills some.

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace lowshot {

/// Uninitialised memory on a cache line (64 bytes); nullptr for 0 bytes. From 2 MiB on it begins on a page of 2 MiB,
/// and the system is asked for such pages: rows gathered from all over an array miss the table of pages otherwise (a
/// diffusion step over a million nodes takes 1.4 times as long on small pages). Where there are none, small ones do.
/// Throws std::bad_alloc. Freed by free_array.
void* allocate_array(std::size_t bytes);
void free_array(void* memory) noexcept;

/// The pages of allocate_array's memory that lie wholly behind its first `kept` of `bytes` bytes go back to the system;
/// the memory stays allocated, what was behind `kept` is lost.
void give_back_pages(void* memory, std::size_t kept, std::size_t bytes) noexcept;

/// For std::vector: memory by allocate_array, and resize leaves numbers uninitialised.
template <typename T>
struct ArrayAllocator {
  using value_type = T;
  ArrayAllocator() = default;
  template <typename U>
  ArrayAllocator(const ArrayAllocator<U>&) {}

  T* allocate(std::size_t count) { return static_cast<T*>(allocate_array(count * sizeof(T))); }
  void deallocate(T* memory, std::size_t) noexcept { free_array(memory); }
  template <typename U>
  void construct(U* place) {
    ::new (static_cast<void*>(place)) U;
  }
  template <typename U, typename... Values>
  void construct(U* place, Values&&... values) {
    ::new (static_cast<void*>(place)) U(std::forward<Values>(values)...);
  }
  friend bool operator==(const ArrayAllocator&, const ArrayAllocator&) { return true; }
};

template <typename T>
using Array = std::vector<T, ArrayAllocator<T>>;

}  // namespace lowshot
