#pragma once
// A random rotation that is the same on every machine and with every standard library.

#include <cstdint>

#include "lowshot/matrix.h"

namespace lowshot {

/// dim x dim, orthonormal, uniformly distributed (Haar measure).
Matrix<double> random_rotation(std::size_t dim, std::uint32_t seed);

}  // namespace lowshot
