#include "oracle/neighbours.h"

#include <algorithm>
#include <cmath>

namespace oracle {

double similarity(Similarity kind, const float* x, const float* y, std::size_t d) {
  double sum = 0;
  for (std::size_t j = 0; j < d; ++j) {
    const double a = x[j], b = y[j];
    sum += kind == Similarity::inner_product ? a * b : -(a - b) * (a - b);
  }
  return sum;
}

double similarity_error(Similarity kind, const float* x, const float* y, std::size_t d) {
  double magnitude = 0;
  if (kind == Similarity::inner_product) {
    double xx = 0, yy = 0;
    for (std::size_t j = 0; j < d; ++j) xx += double{x[j]} * x[j], yy += double{y[j]} * y[j];
    magnitude = std::sqrt(xx * yy);
  } else {
    // Two roundings more: the difference is rounded before it is squared.
    magnitude = -similarity(kind, x, y, d) * 1.1;
  }
  const double roundings = static_cast<double>(d) / 32 + 40;
  return roundings * (std::ldexp(magnitude, -24) + std::ldexp(1.0, -150)) +
         static_cast<double>(d) * std::ldexp(1.0, -150);
}

std::vector<std::vector<Neighbour>> nearest(Similarity kind, const MadeUpRows& queries, const MadeUpRows& x) {
  std::vector<std::vector<Neighbour>> lists(queries.n);
  for (std::size_t q = 0; q < queries.n; ++q) {
    for (std::size_t i = 0; i < x.n; ++i)
      lists[q].push_back({static_cast<std::int64_t>(i), similarity(kind, queries.row(q), x.row(i), x.d)});
    std::sort(lists[q].begin(), lists[q].end(), [](const Neighbour& a, const Neighbour& b) {
      return a.similarity != b.similarity ? a.similarity > b.similarity : a.id < b.id;
    });
  }
  return lists;
}

}  // namespace oracle
