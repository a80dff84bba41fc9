#include "knn/filter_rows.h"

#include <algorithm>
#include <cstring>

namespace lowshot::knn {

FilterRows take_rows(int threads, const FilterRows& from, std::span<const std::uint32_t> rows) {
  FilterRows out;
  out.count = static_cast<std::uint32_t>(rows.size());
  out.code_bytes = from.code_bytes;
  out.rows = Matrix<std::int8_t>(rows.size(), from.code_bytes);
  const std::size_t room = padded(rows.size());
  out.start.resize(room), out.scale.resize(room), out.bound.resize(room);
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t i = 0; i < rows.size(); ++i) {
    std::memcpy(out.rows.row(i), from.rows.row(rows[i]), from.code_bytes);
    out.start[i] = from.start[rows[i]];
    out.scale[i] = from.scale[rows[i]];
    out.bound[i] = from.bound[rows[i]];
  }
  return out;
}

FilterRows stack_rows(FilterRows&& a, FilterRows&& b) {
  if (a.count == 0) return std::move(b);
  if (b.count == 0) return std::move(a);
  FilterRows out;
  out.count = a.count + b.count;
  out.code_bytes = a.code_bytes;
  out.rows = Matrix<std::int8_t>(out.count, out.code_bytes);
  std::copy_n(a.rows.data(), a.rows.size(), out.rows.data());
  std::copy_n(b.rows.data(), b.rows.size(), out.rows.row(a.count));
  const auto join = [&](auto& to, const auto& x, const auto& y) {
    to.assign(x.begin(), x.begin() + a.count);
    to.insert(to.end(), y.begin(), y.end());
  };
  join(out.start, a.start, b.start);
  join(out.scale, a.scale, b.scale);
  join(out.bound, a.bound, b.bound);
  a = {}, b = {};
  return out;
}

}  // namespace lowshot::knn
