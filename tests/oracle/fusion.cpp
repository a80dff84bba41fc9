#include "oracle/fusion.h"

#include <cmath>

namespace oracle {

Dense fused(const Dense& votes, const Dense& scores, const std::vector<double>& offset, double a) {
  Dense result(votes.rows, votes.cols);
  for (std::size_t i = 0; i < votes.rows; ++i) {
    double sum = 0;
    for (std::size_t c = 0; c < votes.cols; ++c) sum += votes(i, c);
    for (std::size_t c = 0; c < votes.cols; ++c) {
      const double share = sum == 0 ? 1.0 / static_cast<double>(votes.cols) : votes(i, c) / sum + 1e-4;
      result(i, c) = (1 - a) * std::log(share) + a * scores(i, c) + offset[c];
    }
  }
  return result;
}

}  // namespace oracle
