// numpy's legacy bounded integers (reference protocol, "The low-shot split").

#include "lowshot/random.h"

#include <bit>

namespace lowshot {

std::uint32_t NumpyRandomState::interval(std::uint32_t max) {
  if (max == 0) return 0;
  // The smallest 2^b - 1 that is not below max. At least half of the masked values are accepted.
  const std::uint32_t mask = 0xffffffffu >> std::countl_zero(max);
  while (true) {
    const std::uint32_t value = static_cast<std::uint32_t>(generator_()) & mask;
    if (value <= max) return value;
  }
}

}  // namespace lowshot
