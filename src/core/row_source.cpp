// What every reader of descriptors does with the rows it gets: check them, normalise them, take them as one matrix.
#include "lowshot/row_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>

#include "lowshot/error.h"

namespace lowshot {
namespace {

constexpr std::uint32_t exponent_mask = 0x7f800000u;  // all ones: infinity or NaN
constexpr std::uint32_t magnitude_mask = 0x7fffffffu;

[[noreturn]] void refuse_value(std::span<const float> row, const std::string& source, std::uint64_t index) {
  for (std::size_t j = 0; j < row.size(); ++j) {
    if (std::isfinite(row[j])) continue;
    throw Error(ErrorKind::input, fmt::format("a descriptor holds {}", std::isnan(row[j]) ? "NaN" : "infinity"),
                fmt::format("{}, row {}, column {}", source, index, j), "remove or recompute this row");
  }
  throw Error(ErrorKind::input, "a descriptor is all zero: it has no direction, so no neighbours",
              fmt::format("{}, row {}", source, index), "remove or recompute this row");
}

/// Four sums side by side (the compiler may use vectors), added in a fixed order.
double squared_norm(std::span<const float> row) {
  double sums[4] = {0, 0, 0, 0};
  std::size_t j = 0;
  for (; j + 4 <= row.size(); j += 4) {
    for (std::size_t lane = 0; lane < 4; ++lane) {
      const double value = row[j + lane];
      sums[lane] += value * value;
    }
  }
  for (; j < row.size(); ++j) sums[0] += static_cast<double>(row[j]) * row[j];
  return (sums[0] + sums[1]) + (sums[2] + sums[3]);
}

void require_rows(MatrixView<const float> rows, const std::string& source, std::uint64_t first_row, bool zero_passes) {
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    // Integer tests over the whole row: they vectorise, and the common case has nothing to report.
    std::uint32_t any_magnitude = 0;
    std::uint32_t not_finite = 0;
    for (const float value : rows.row_span(i)) {
      const auto bits = std::bit_cast<std::uint32_t>(value);
      any_magnitude |= bits & magnitude_mask;
      not_finite |= (bits & exponent_mask) == exponent_mask ? 1u : 0u;
    }
    if (not_finite != 0 || (any_magnitude == 0 && !zero_passes)) refuse_value(rows.row_span(i), source, first_row + i);
  }
}

class MemoryRows : public RowSource {
 public:
  MemoryRows(DescriptorView rows, std::string name) : rows_(rows), name_(std::move(name)) {}

  std::uint64_t rows() const override { return rows_.rows(); }
  std::uint32_t dim() const override { return static_cast<std::uint32_t>(rows_.cols()); }
  bool is_half() const override { return rows_.is_half(); }
  void read(std::uint64_t begin, MatrixView<float> out) override {
    for (std::size_t i = 0; i < out.rows(); ++i)
      if (const float* row = rows_.load(begin + i, out.row(i)); row != out.row(i))
        std::copy_n(row, out.cols(), out.row(i));
  }
  std::string name() const override { return name_; }

 private:
  DescriptorView rows_;
  std::string name_;
};

}  // namespace

void require_usable(MatrixView<const float> rows, const std::string& source, std::uint64_t first_row) {
  require_rows(rows, source, first_row, false);
}

void require_finite(MatrixView<const float> rows, const std::string& source, std::uint64_t first_row) {
  require_rows(rows, source, first_row, true);
}

void normalise_rows(MatrixView<float> rows) {
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    const double squared = squared_norm(rows.row_span(i));
    if (squared == 0) continue;
    const double inverse = 1 / std::sqrt(squared);
    for (float& value : rows.row_span(i)) value = static_cast<float>(value * inverse);
  }
}

std::unique_ptr<RowSource> rows_in_memory(DescriptorView rows, std::string name) {
  return std::make_unique<MemoryRows>(rows, std::move(name));
}

Matrix<float> read_rows(RowSource& source, std::uint64_t begin, std::uint64_t end) {
  if (begin > end || end > source.rows()) {
    throw Error(ErrorKind::input, fmt::format("rows {} to {} are wanted, there are {}", begin, end, source.rows()),
                source.name());
  }
  Matrix<float> rows(end - begin, source.dim());
  source.read(begin, rows);
  require_usable(rows, source.name(), begin);
  return rows;
}

Matrix<float> read_sample(RowSource& source, std::uint64_t count, std::uint32_t most_blocks,
                          std::vector<std::uint64_t>* row_of) {
  const std::uint64_t rows = source.rows(), size = std::min(count, rows);
  const std::uint64_t blocks = std::clamp<std::uint64_t>(size, 1, std::max(most_blocks, 1u));
  Matrix<float> sample(size, source.dim());
  for (std::uint64_t b = 0; b < blocks; ++b) {
    const std::uint64_t begin = size * b / blocks, end = size * (b + 1) / blocks;
    const std::uint64_t first = blocks == 1 ? 0 : (rows - size) * b / (blocks - 1) + begin;
    if (begin == end) continue;
    source.read(first, sample.view().rows(begin, end));
    if (row_of != nullptr)
      for (std::uint64_t i = begin; i < end; ++i) row_of->push_back(first + (i - begin));
  }
  for (std::size_t e = 0; e < sample.size(); ++e)
    if (!std::isfinite(sample.data()[e])) sample.data()[e] = 0;
  return sample;
}

}  // namespace lowshot
