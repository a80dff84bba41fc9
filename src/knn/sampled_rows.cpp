#include "knn/sampled_rows.h"

#include <algorithm>

namespace lowshot::knn {
namespace {

// Bits that look random, from a counter (the finaliser of SplitMix64; Steele, Lea and Flood, OOPSLA 2014).
std::uint64_t mixed(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

std::vector<std::uint32_t> sampled_rows(std::uint64_t n, std::uint64_t count) {
  std::vector<std::uint32_t> rows(std::min(n, count));
  for (std::uint64_t i = 0; i < rows.size(); ++i) {
    const std::uint64_t begin = i * n / rows.size(), end = (i + 1) * n / rows.size();
    rows[i] = static_cast<std::uint32_t>(begin + mixed(i) % (end - begin));
  }
  return rows;
}

}  // namespace lowshot::knn
