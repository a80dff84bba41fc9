#include "oracle/dense.h"

namespace oracle {
namespace {

void divide_columns_by_sums(Dense& l) {
  for (std::size_t c = 0; c < l.cols; ++c) {
    double sum = 0;
    for (std::size_t i = 0; i < l.rows; ++i) sum += l(i, c);
    if (sum == 0) continue;
    for (std::size_t i = 0; i < l.rows; ++i) l(i, c) /= sum;
  }
}

}  // namespace

Dense adjacency(const Lists& lists) {
  Dense a(lists.size(), lists.size());
  for (std::size_t i = 0; i < lists.size(); ++i)
    for (const std::int64_t j : lists[i])
      if (j >= 0) a(i, static_cast<std::size_t>(j)) = 1;
  return a;
}

Dense symmetric(const Dense& a) {
  Dense b(a.rows, a.cols);
  for (std::size_t i = 0; i < a.rows; ++i)
    for (std::size_t j = 0; j < a.cols; ++j) b(i, j) = a(i, j) + a(j, i);
  return b;
}

std::vector<double> row_sums(const Dense& b) {
  std::vector<double> sums(b.rows, 0.0);
  for (std::size_t i = 0; i < b.rows; ++i)
    for (std::size_t j = 0; j < b.cols; ++j) sums[i] += b(i, j);
  return sums;
}

Dense transition(const Dense& b) {
  const std::vector<double> d = row_sums(b);
  Dense w(b.rows, b.cols);
  for (std::size_t i = 0; i < b.rows; ++i)
    for (std::size_t j = 0; j < b.cols; ++j) w(i, j) = d[i] > 0 ? b(i, j) / d[i] : 0;
  return w;
}

std::vector<Dense> diffuse(const Dense& w, const std::vector<std::int32_t>& labels, std::size_t classes,
                           std::size_t iterations) {
  Dense l(labels.size(), classes);
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] >= 0) l(i, static_cast<std::size_t>(labels[i])) = 1;
  divide_columns_by_sums(l);
  std::vector<Dense> all = {l};
  for (std::size_t t = 0; t < iterations; ++t) {
    Dense next(l.rows, l.cols);
    for (std::size_t i = 0; i < w.rows; ++i)
      for (std::size_t j = 0; j < w.cols; ++j)
        if (w(i, j) != 0)
          for (std::size_t c = 0; c < classes; ++c) next(i, c) += w(i, j) * l(j, c);
    divide_columns_by_sums(next);
    l = next;
    all.push_back(l);
  }
  return all;
}

Dense read_out(const Dense& l, const Lists& queries) {
  Dense v(queries.size(), l.cols);
  for (std::size_t q = 0; q < queries.size(); ++q)
    for (const std::int64_t j : queries[q])
      if (j >= 0)
        for (std::size_t c = 0; c < l.cols; ++c) v(q, c) += l(static_cast<std::size_t>(j), c);
  return v;
}

std::vector<int> hops(const Dense& b, const std::vector<bool>& is_source) {
  std::vector<int> hop(b.rows, -1);
  for (std::size_t i = 0; i < b.rows; ++i)
    if (is_source[i]) hop[i] = 0;
  // As many rounds as there can be hops; a row takes the smallest of its neighbours' hops plus one.
  for (std::size_t round = 0; round < b.rows; ++round)
    for (std::size_t i = 0; i < b.rows; ++i)
      for (std::size_t j = 0; j < b.cols; ++j)
        if (b(i, j) != 0 && hop[j] >= 0 && (hop[i] < 0 || hop[i] > hop[j] + 1)) hop[i] = hop[j] + 1;
  return hop;
}

}  // namespace oracle
