#pragma once
// Self-tuning weights on dense float64 matrices, as their formula stands.

#include <vector>

#include "oracle/dense.h"

namespace oracle {

/// The value that a float32 program keeps of each pair's cosine, and the lists of the k most similar rows, itself
/// first.
struct Cosines {
  Dense similarity;
  Lists lists;
};
/// Of n clustered unit rows; a list ends early where `ragged`: row i has k - i % 3 neighbours.
Cosines clustered_cosines(std::size_t n, std::size_t k, bool ragged, std::uint32_t seed);

/// s_i^2 = 2 - 2 cosine of the last in the list, at least 1e-6.
std::vector<double> squared_scales(const Cosines& cosines);

/// B_ij = exp(-gain (2 - 2 cos_ij) / (s_i s_j)) (A_ij + A_ji).
Dense self_tuning(const Cosines& cosines, double gain);

}  // namespace oracle
