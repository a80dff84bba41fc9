#pragma once
// The recipe for one's own data as its formulas stand: float64, inverse by Jacobi rotations, one plain loop each.

#include <cstdint>
#include <vector>

#include "oracle/dense.h"

namespace oracle {

/// log softmax of t (m_c - mu)' S^-1 (z - (m_c + mu)/2), rows x C, after `rounds` rounds. `labels`: -1 where there is
/// none; `votes`: rows x C.
Dense own_data(const Dense& z, const std::vector<std::int32_t>& labels, const Dense& votes, double shrinkage,
               double labels_of_others, double share, int rounds);

}  // namespace oracle
