// An npy or raw file written row by row (lowshot::RowWriter).
#include <fmt/format.h>

#include <limits>
#include <stdexcept>

#include "io/npy.h"
#include "io/output_file.h"
#include "lowshot/io.h"

namespace lowshot {

struct RowWriter::State {
  io::OutputFile file;
  std::uint64_t data_offset;
  std::uint64_t rows;
  std::uint64_t cols;
  std::uint64_t written = 0;
};

RowWriter::RowWriter(const fs::path& path, Format format, std::uint64_t rows, std::uint32_t cols) {
  const std::string header = format == Format::npy ? io::npy_header(io::Scalar::float32, {rows, cols}) : std::string();
  std::uint64_t bytes = 0;
  if (__builtin_mul_overflow(rows, std::uint64_t{cols} * sizeof(float), &bytes) ||
      __builtin_add_overflow(bytes, header.size(), &bytes)) {
    throw Error(ErrorKind::resources, fmt::format("{} x {} values exceed any file", rows, cols), path.string());
  }
  state_.reset(new State{io::OutputFile(path), header.size(), rows, cols});
  state_->file.reserve(bytes);
  state_->file.write_at(0, header.data(), header.size());
}

RowWriter::~RowWriter() = default;
RowWriter::RowWriter(RowWriter&&) noexcept = default;

void RowWriter::write(std::uint64_t first_row, MatrixView<const float> rows) {
  if (rows.cols() != state_->cols || first_row > state_->rows || rows.rows() > state_->rows - first_row) {
    throw std::logic_error(fmt::format("rows {} + {} x {} of a file of {} x {}", first_row, rows.rows(), rows.cols(),
                                       state_->rows, state_->cols));
  }
  state_->file.write_at(state_->data_offset + first_row * state_->cols * sizeof(float), rows.data(),
                        rows.size() * sizeof(float));
  state_->written += rows.rows();
}

void RowWriter::commit() {
  if (state_->written != state_->rows) {
    throw std::logic_error(
        fmt::format("{}: commit after {} of {} rows", state_->file.name(), state_->written, state_->rows));
  }
  state_->file.commit();
}

}  // namespace lowshot
