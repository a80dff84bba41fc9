#pragma once
// Masks of eight places as shuffles: values that are set to the front, and back.

#include <array>
#include <cstdint>

namespace lowshot::diffusion {

// For every mask of eight places: packed[mask][r] is the r-th place that is set, rank[mask][p] how many are set before
// p where p is set itself; `no_place` elsewhere.
inline constexpr std::uint8_t no_place = 0x80;
struct Shuffles {
  std::array<std::array<std::uint8_t, 8>, 256> packed, rank;
};
constexpr Shuffles make_shuffles() {
  Shuffles s{};
  for (unsigned mask = 0; mask < 256; ++mask) {
    std::uint8_t count = 0;
    s.packed[mask].fill(no_place);
    for (std::uint8_t place = 0; place < 8; ++place) {
      const bool set = (mask >> place & 1) != 0;
      s.rank[mask][place] = set ? count : no_place;
      if (set) s.packed[mask][count++] = place;
    }
  }
  return s;
}
inline constexpr Shuffles shuffles = make_shuffles();

}  // namespace lowshot::diffusion
