#pragma once
// Running sums of an array by several threads.

#include <cstdint>
#include <span>

namespace lowshot {

/// values[i] <- values[0] + .. + values[i], in place. Equal whatever the number of threads.
void add_up(int threads, std::span<std::uint64_t> values);

}  // namespace lowshot
