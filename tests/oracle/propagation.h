#pragma once
// Restart and clamping on dense float64 matrices, as their formulas stand (Zhou et al. 2004; Zhu et al. 2003).

#include <cstdint>
#include <vector>

#include "oracle/dense.h"

namespace oracle {

/// One-hot labels; -1: a row of zeros.
Dense one_hot(const std::vector<std::int32_t>& labels, std::size_t classes);
/// S = D^-1/2 B D^-1/2; rows and columns without edges stay zero.
Dense symmetric_normalised(const Dense& b);
/// F_T of F <- alpha S F + (1 - alpha) Y, F_0 = Y.
Dense restart(const Dense& b, const Dense& y, double alpha, std::size_t iterations);
/// (1 - alpha) (I - alpha S)^-1 Y, by Gaussian elimination.
Dense restart_limit(const Dense& b, const Dense& y, double alpha);
/// F_T of F <- W F, labelled rows <- Y, F_0 = Y.
Dense clamping(const Dense& b, const std::vector<std::int32_t>& labels, std::size_t classes, std::size_t iterations);
/// q_c u_c / sum u_c of unlabelled rows, q: shares of the labels; a sum of 0 stays 0.
Dense class_mass(const Dense& f, const std::vector<std::int32_t>& labels);
/// The Euclidean norm of each column of (1 - alpha) Y - (I - alpha S) F, over that of (1 - alpha) Y; 0 where Y is 0.
std::vector<double> residuals(const Dense& b, const Dense& y, double alpha, const Dense& f);

}  // namespace oracle
