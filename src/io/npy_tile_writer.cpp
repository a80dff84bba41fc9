// An npy of any shape written by blocks of columns (lowshot::NpyTileWriter).
#include <fmt/format.h>

#include <stdexcept>
#include <vector>

#include "core/half.h"
#include "io/npy.h"
#include "io/output_file.h"
#include "lowshot/error.h"
#include "lowshot/io.h"

namespace lowshot {

struct NpyTileWriter::State {
  io::OutputFile file;
  std::uint64_t data_offset, rows, cols;
  bool half;

  std::uint64_t value_bytes() const { return half ? sizeof(Half) : sizeof(float); }
  void put(std::uint64_t offset, const float* values, std::size_t count) {
    if (!half) return file.write_at(offset, values, count * sizeof(float));
    std::vector<Half> converted(count);
    convert(values, converted.data(), count);
    file.write_at(offset, converted.data(), count * sizeof(Half));
  }
};

NpyTileWriter::NpyTileWriter(const fs::path& path, const std::vector<std::uint64_t>& shape, bool half) {
  if (shape.empty()) throw std::logic_error("NpyTileWriter: an array has at least one dimension");
  const std::string header = io::npy_header(half ? io::Scalar::float16 : io::Scalar::float32, shape);
  std::uint64_t rows = 1, bytes = half ? sizeof(Half) : sizeof(float);
  bool overflow = false;
  for (const std::uint64_t length : shape) overflow |= __builtin_mul_overflow(bytes, length, &bytes);
  for (std::size_t d = 0; d + 1 < shape.size(); ++d) rows *= shape[d];
  if (overflow || __builtin_add_overflow(bytes, header.size(), &bytes))
    throw Error(ErrorKind::resources, "the array exceeds any file", path.string());
  state_.reset(new State{io::OutputFile(path), header.size(), rows, shape.back(), half});
  state_->file.reserve(bytes);
  state_->file.write_at(0, header.data(), header.size());
}

NpyTileWriter::~NpyTileWriter() = default;
NpyTileWriter::NpyTileWriter(NpyTileWriter&&) noexcept = default;

void NpyTileWriter::write(std::uint64_t first_row, std::uint64_t first_col, MatrixView<const float> values) {
  State& s = *state_;
  if (first_row + values.rows() > s.rows || first_col + values.cols() > s.cols)
    throw std::logic_error(fmt::format("{}: a tile lies outside the array", s.file.name()));
  const auto offset = [&](std::uint64_t row) { return s.data_offset + (row * s.cols + first_col) * s.value_bytes(); };
  if (values.cols() == s.cols) return s.put(offset(first_row), values.data(), values.size());
  for (std::size_t i = 0; i < values.rows(); ++i) s.put(offset(first_row + i), values.row(i), values.cols());
}

void NpyTileWriter::commit() {
  state_->file.commit();
}

}  // namespace lowshot
