#include "knn/filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "knn/quantise.h"
#include "lowshot/error.h"

namespace lowshot::knn {
namespace {

constexpr double longest_row =
    1e18;  // squares of distances and all terms of the bound stay below 3.4e38, float32's range
constexpr std::size_t sum_chunk =
    4096;  // rows summed by one thread: fixed, so that the mean does not depend on threads

std::size_t chunks(std::size_t rows) {
  return (rows + sum_chunk - 1) / sum_chunk;
}

// Adds the columns of x to `sum`, chunk by chunk in order.
void add_columns(int threads, const DescriptorView& x, std::vector<double>& sum) {
  const std::size_t n = chunks(x.rows()), dim = x.cols();
  Matrix<double> partial = Matrix<double>::zeroed(n, dim);
#pragma omp parallel num_threads(threads)
  {
    std::vector<float> buffer(dim);
#pragma omp for schedule(dynamic, 1)
    for (std::size_t c = 0; c < n; ++c) {
      double* total = partial.row(c);
      for (std::size_t i = c * sum_chunk; i < std::min(x.rows(), (c + 1) * sum_chunk); ++i) {
        const float* row = x.load(i, buffer.data());
        for (std::size_t j = 0; j < dim; ++j) total[j] += row[j];
      }
    }
  }
  for (std::size_t c = 0; c < n; ++c)
    for (std::size_t j = 0; j < dim; ++j) sum[j] += partial(c, j);
}

// Of any row; squared.
RowNorms largest_norms(int threads, const DescriptorView& x, const std::vector<float>& centre) {
  double centred = 0, raw = 0;
#pragma omp parallel num_threads(threads) reduction(max : centred, raw)
  {
    std::vector<float> buffer(x.cols());
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < x.rows(); ++i) {
      const RowNorms norms = squared_norms(x.load(i, buffer.data()), centre.data(), x.cols());
      centred = std::max(centred, norms.centred);
      raw = std::max(raw, norms.raw);
    }
  }
  return {centred, raw};
}

}  // namespace

FilterBackend filter_backend(Isa isa) {
  switch (isa) {
    case Isa::avx2:
      return {filter_avx2, scores_avx2, 63, 63};
    case Isa::avx512vnni:
      return {filter_avx512, scores_avx512, 127, 128};
    case Isa::amx:
      return {filter_amx, scores_amx, 127, 128};
  }
  throw Error(ErrorKind::device, "unknown instruction set");
}

FilterSpace make_filter_space(int threads, const DescriptorView& x, const DescriptorView& y) {
  const std::size_t dim = x.rows() != 0 ? x.cols() : y.cols();
  std::vector<double> sum(dim, 0.0);
  add_columns(threads, x, sum);
  add_columns(threads, y, sum);
  FilterSpace space;
  space.centre.resize(dim);
  const double count = static_cast<double>(std::max<std::size_t>(1, x.rows() + y.rows()));
  for (std::size_t j = 0; j < dim; ++j) space.centre[j] = static_cast<float>(sum[j] / count);
  for (const float c : space.centre)
    if (!std::isfinite(c)) throw Error(ErrorKind::input, "descriptors hold NaN or infinite values");
  const RowNorms a = largest_norms(threads, x, space.centre), b = largest_norms(threads, y, space.centre);
  const double centred = std::sqrt(std::max(a.centred, b.centred)), raw = std::sqrt(std::max(a.raw, b.raw));
  if (std::max(centred, raw) > longest_row)
    throw Error(
        ErrorKind::input,
        fmt::format("a descriptor of norm {:.3g} is longer than {:.0e}: its similarities leave the range of float32",
                    raw, longest_row),
        "", "normalise the rows or divide all of them by one number");
  space.largest_norm = static_cast<float>(centred * (1 + 1e-6));
  space.largest_raw_norm = static_cast<float>(raw * (1 + 1e-6));
  return space;
}

FilterRows make_filter_rows(int threads, const DescriptorView& x, const FilterSpace& space, Metric metric,
                            const FilterBackend& backend, bool with_rows, bool with_panels, FilterBound bound) {
  const std::size_t dim = x.cols(), n = x.rows();
  FilterRows out;
  out.count = static_cast<std::uint32_t>(n);
  out.code_bytes = static_cast<std::uint32_t>((dim + dim_group - 1) / dim_group * dim_group);
  const std::size_t panels = (n + panel_width - 1) / panel_width, padded = panels * panel_width;
  const std::size_t panel_bytes = std::size_t{out.code_bytes} * panel_width;
  if (with_rows) out.rows = Matrix<std::int8_t>(n, out.code_bytes);
  if (with_panels) out.panels = Matrix<std::uint8_t>(panels, panel_bytes);
  out.start.assign(padded, 0);
  out.scale.assign(padded, 0.0f);
  out.bound.assign(padded, 0.0f);

  double centre_square = 0;
  for (const float c : space.centre) centre_square += static_cast<double>(c) * c;
  const double alpha = metric == Metric::l2 ? 2 : 1;
  // |s q| may exceed |c| by the residual: N is raised by the largest residual a row can have, half a step a dimension.
  const double half_steps = 0.5 * std::sqrt(static_cast<double>(dim)) / backend.levels;
  const double norm = space.largest_norm * (1 + half_steps);
  // What float32 arithmetic can put between a score and this bound, in units of half a last place (2^-24) of reach^2.
  // The score: dim / 32 sums in a lane, a tail of up to 31, the factors of half rows. The bound: rows shifted by the
  // centre (|c| <= 2 |x|), codes, scales and biases, each rounded; these come to at most 105 for a pair, of which each
  // row carries half. Products that are subnormal lose half of the smallest float each instead; the product of two
  // scales does, too, before it is multiplied by at most levels^2 a dimension.
  const double reach = metric == Metric::l2 ? 2.0 * norm : space.largest_raw_norm;
  const double smallest = std::numeric_limits<float>::denorm_min();
  const double roundings = static_cast<double>(dim) / 8 + 64;
  const double levels = backend.levels;
  const double rounding =
      roundings * (6e-8 * reach * reach + smallest) + static_cast<double>(dim) * (1 + levels * levels) * smallest;

#pragma omp parallel num_threads(threads)
  {
    std::vector<float> buffer(dim);
    std::vector<std::int8_t> panel_codes(with_rows ? 0 : std::size_t{panel_width} * out.code_bytes);
#pragma omp for schedule(static)
    for (std::size_t panel = 0; panel < panels; ++panel) {
      const std::size_t first = panel * panel_width, width = std::min<std::size_t>(panel_width, n - first);
      std::int8_t* const codes = with_rows ? out.rows.row(first) : panel_codes.data();
      for (std::size_t i = first; i < first + width; ++i) {
        std::int8_t* const own = codes + (i - first) * out.code_bytes;
        const QuantisedRow q = quantise(x.load(i, buffer.data()), space.centre.data(), dim, backend.levels, own);
        std::fill(own + dim, own + out.code_bytes, std::int8_t{0});
        const double bias = metric == Metric::l2 ? -q.square : q.along_centre + centre_square / 2;
        const double above = bound == FilterBound::upper ? alpha * norm * std::sqrt(q.residual) + rounding : 0;
        out.scale[i] = q.scale * static_cast<float>(std::sqrt(alpha));
        out.start[i] = -backend.offset * q.code_sum;
        out.bound[i] = static_cast<float>(bias + above);
      }
      if (with_panels) pack_panels(codes, width, out.code_bytes, backend.offset, out.panels.row(panel));
    }
  }
  return out;
}

void pack_panels(const std::int8_t* rows, std::size_t count, std::uint32_t code_bytes, std::int32_t offset,
                 std::uint8_t* panels) {
  constexpr std::uint32_t low = 0x7f7f7f7fu, high = 0x80808080u;
  const std::uint32_t offsets = 0x01010101u * static_cast<std::uint8_t>(offset);
  const std::size_t panel_bytes = std::size_t{code_bytes} * panel_width;
  for (std::size_t first = 0; first < count; first += panel_width, panels += panel_bytes) {
    const std::size_t width = std::min<std::size_t>(panel_width, count - first);
    if (width < panel_width) std::fill_n(panels, panel_bytes, static_cast<std::uint8_t>(offset));
    for (std::size_t i = 0; i < width; ++i) {
      const std::int8_t* row = rows + (first + i) * code_bytes;
      for (std::uint32_t d = 0; d < code_bytes; d += dim_group) {
        std::uint32_t group;
        std::memcpy(&group, row + d, sizeof group);
        group = ((group & low) + (offsets & low)) ^ ((group ^ offsets) & high);  // four bytes added, no carries
        std::memcpy(panels + d * panel_width + i * dim_group, &group, sizeof group);
      }
    }
  }
}

}  // namespace lowshot::knn
