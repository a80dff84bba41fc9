#pragma once
// numpy's legacy random numbers, so that splits equal those of the original's `RandomState(seed)`.

#include <cstdint>
#include <random>
#include <span>
#include <utility>

namespace lowshot {

/// numpy.random.RandomState(seed) as far as splits need it. numpy's legacy seeding by an integer is the Mersenne
/// Twister's init_genrand, which is also what std::mt19937 does.
class NumpyRandomState {
 public:
  explicit NumpyRandomState(std::uint32_t seed) : generator_(seed) {}

  /// A value in [0, max], uniform, by masked rejection from 32-bit outputs (numpy's random_interval). A max of 0
  /// draws nothing.
  std::uint32_t interval(std::uint32_t max);

  /// numpy's legacy shuffle: i = size-1 .. 1, swap i with interval(i). At most 2^32 values.
  template <typename T>
  void shuffle(std::span<T> values) {
    for (std::size_t i = values.size(); i-- > 1;) std::swap(values[i], values[interval(static_cast<std::uint32_t>(i))]);
  }

 private:
  std::mt19937 generator_;
};

}  // namespace lowshot
