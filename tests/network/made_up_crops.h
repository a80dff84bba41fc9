#pragma once
// What the tests of networks share: crops of noise, and their values as the oracle takes them.

#include <cstdint>
#include <random>
#include <vector>

#include "lowshot/matrix.h"
#include "lowshot/network.h"

namespace lowshot::fixtures {

inline const Normalisation normalisation{{0.485F, 0.456F, 0.406F}, {0.229F, 0.224F, 0.225F}};

inline Matrix<std::uint8_t> random_crops(std::size_t n, std::size_t side, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Matrix<std::uint8_t> crops(n, 3 * side * side);
  for (std::size_t i = 0; i < crops.size(); ++i) crops.data()[i] = static_cast<std::uint8_t>(random());
  return crops;
}

/// 3 x side x side values, a plane a channel.
inline std::vector<double> normalised(const std::uint8_t* crop, std::size_t side) {
  std::vector<double> image(3 * side * side);
  for (std::size_t c = 0; c < 3; ++c)
    for (std::size_t p = 0; p < side * side; ++p)
      image[c * side * side + p] = (crop[3 * p + c] / 255.0 - normalisation.mean[c]) / normalisation.deviation[c];
  return image;
}

}  // namespace lowshot::fixtures
