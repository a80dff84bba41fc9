// Descriptor files whose rows lie one behind the other: npy and headerless raw.
#include "io/flat_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <utility>

#include "core/half.h"
#include "io/npy.h"
#include "lowshot/io.h"

namespace lowshot::io {
namespace {

constexpr std::uint64_t block_bytes = 1 << 20;  // fits the second-level cache: read, then converted from there

}  // namespace

FlatRows::FlatRows(InputFile file, std::uint64_t offset, Scalar type, std::uint64_t rows, std::uint32_t dim)
    : file_(std::move(file)), offset_(offset), type_(type), rows_(rows), dim_(dim) {}

void FlatRows::read(std::uint64_t begin, MatrixView<float> out) {
  require_block(*this, begin, out);
  const std::uint64_t bytes = width(type_);
  const std::uint64_t start = offset_ + begin * dim_ * bytes;
  if (type_ == Scalar::float32) {
    file_.read_at(start, out.data(), out.size() * bytes);
    return;
  }
  const std::uint64_t step = block_bytes / bytes;
  block_.resize(block_bytes);
  for (std::uint64_t done = 0; done < out.size(); done += step) {
    const std::uint64_t count = std::min<std::uint64_t>(step, out.size() - done);
    file_.read_at(start + done * bytes, block_.data(), count * bytes);
    if (type_ == Scalar::float16) {
      convert(reinterpret_cast<const Half*>(block_.data()), out.data() + done, count);
    } else {
      const auto* values = reinterpret_cast<const double*>(block_.data());
      for (std::uint64_t i = 0; i < count; ++i) out.data()[done + i] = static_cast<float>(values[i]);
    }
  }
}

void require_block(const RowSource& source, std::uint64_t begin, MatrixView<float> out) {
  if (out.cols() != source.dim() || begin > source.rows() || out.rows() > source.rows() - begin) {
    throw std::logic_error(fmt::format("rows {} + {} x {} of a source with {} x {}", begin, out.rows(), out.cols(),
                                       source.rows(), source.dim()));
  }
}

}  // namespace lowshot::io

namespace lowshot {

std::unique_ptr<RowSource> open_npy_rows(const fs::path& path) {
  io::InputFile file(path);
  const io::NpyHeader header = io::read_npy_header(file);
  if (header.shape.size() != 2 || !io::is_float(header.type)) {
    file.fail(fmt::format("descriptors must be a two-dimensional array of float16, float32 or float64; found {} of {} "
                          "dimension(s)",
                          io::name(header.type), header.shape.size()),
              "store rows x dimension");
  }
  const std::uint64_t dim = header.shape[1];
  if (dim == 0 || dim > std::numeric_limits<std::int32_t>::max()) {
    file.fail(fmt::format("descriptors must have at least one dimension; the shape is {} x {}", header.shape[0], dim));
  }
  return std::make_unique<io::FlatRows>(std::move(file), header.data_offset, header.type, header.shape[0],
                                        static_cast<std::uint32_t>(dim));
}

std::unique_ptr<RowSource> open_raw_rows(const fs::path& path, std::uint32_t dim) {
  io::InputFile file(path);
  if (dim == 0) throw Error(ErrorKind::usage, "the dimension of a raw file must be at least 1", file.name());
  const std::uint64_t row_bytes = std::uint64_t{dim} * sizeof(float);
  if (file.size() % row_bytes != 0) {
    file.fail(
        fmt::format("a raw file of dimension {} has rows of {} bytes; its size of {} bytes is no multiple of that", dim,
                    row_bytes, file.size()),
        "check the dimension; or the file is truncated");
  }
  const std::uint64_t rows = file.size() / row_bytes;
  return std::make_unique<io::FlatRows>(std::move(file), 0, io::Scalar::float32, rows, dim);
}

}  // namespace lowshot
