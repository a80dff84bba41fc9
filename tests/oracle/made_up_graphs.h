#pragma once
// Neighbour lists and labels for tests, from fixed seeds.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "oracle/dense.h"

namespace oracle {

/// The k nearest rows (itself first) of n clustered unit rows, by the slow search.
Lists clustered_lists(std::size_t n, std::size_t k, std::uint32_t seed);
/// What a published table may hold: no self, empty places anywhere, repeated ids, rows without any neighbour.
Lists untidy_lists(std::size_t n, std::size_t k, std::uint32_t seed);
/// Node i names itself and i + 1: n - 1 hops from end to end.
Lists chain(std::size_t n);

/// Every `every`-th node has a class, drawn from classes 0, 2, 3, ...: class 1 has no node where there are more than
/// one. The others have -1.
std::vector<std::int32_t> labels(std::size_t n, std::size_t classes, std::size_t every, std::uint32_t seed);

}  // namespace oracle
