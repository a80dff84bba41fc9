#pragma once
// A barrier for threads that meet thousands of times a second: a counter that only grows, watched without a lock.

#include <immintrin.h>

#include <atomic>
#include <cstdint>
#include <thread>

namespace lowshot::classifier {

class SpinBarrier {
 public:
  explicit SpinBarrier(std::uint32_t threads) : threads_(threads) {}

  /// What threads wrote before it is seen by all after it. `round` is each thread's own count of barriers passed, from
  /// 0; it is raised here.
  void wait(std::uint64_t& round) {
    if (threads_ == 1) return;
    const std::uint64_t all = ++round * threads_;
    arrived_.fetch_add(1, std::memory_order_acq_rel);
    // A short spin meets a thread that runs; with fewer cores than threads the other one needs this core.
    for (std::uint32_t spins = 0; arrived_.load(std::memory_order_acquire) < all; ++spins)
      spins < 2000 ? _mm_pause() : std::this_thread::yield();
  }

 private:
  const std::uint64_t threads_;
  alignas(64) std::atomic<std::uint64_t> arrived_{0};
};

}  // namespace lowshot::classifier
