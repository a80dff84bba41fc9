// A stored k-NN table as it lies in its files (names and layouts: knn_files.cpp), for looking into it.
#include <fmt/format.h>

#include <utility>

#include "io/input_file.h"
#include "io/npy.h"
#include "lowshot/error.h"
#include "lowshot/io.h"

namespace lowshot {
namespace {

struct StoredArray {
  io::InputFile file;
  std::uint64_t offset = 0, rows = 0;
};

StoredArray open_array(const fs::path& path, io::Scalar type, std::uint32_t stored_k) {
  io::InputFile file(path);
  if (path.extension() == ".npy") {
    const io::NpyHeader header = io::read_npy_header(file);
    if (header.type != type || header.shape.size() != 2 || header.shape[1] != stored_k)
      file.fail(fmt::format("expected a two-dimensional array of {} with {} columns, as the name says", io::name(type),
                            stored_k));
    return {std::move(file), header.data_offset, header.shape[0]};
  }
  const std::uint64_t row_bytes = std::uint64_t{stored_k} * 4;
  if (file.size() % row_bytes != 0)
    file.fail(fmt::format("a k-NN table with {} columns has a multiple of {} bytes and the file has {}", stored_k,
                          row_bytes, file.size()),
              "the file is cut off, or its name names another number of columns");
  const std::uint64_t rows = file.size() / row_bytes;
  return {std::move(file), 0, rows};
}

}  // namespace

struct StoredKnn::State {
  StoredArray ids, similarities;
  std::uint32_t k;
};

StoredKnn::StoredKnn(const KnnFiles& files)
    : state_(new State{open_array(files.ids, io::Scalar::int32, files.stored_k),
                       open_array(files.similarities, io::Scalar::float32, files.stored_k), files.stored_k}) {
  if (state_->ids.rows != state_->similarities.rows)
    state_->similarities.file.fail(
        fmt::format("{} rows of similarities and {} rows of ids", state_->similarities.rows, state_->ids.rows),
        "the two files belong to different tables");
  if (rows() > max_nodes)
    state_->ids.file.fail(fmt::format("{} rows are more than the {} a graph can hold", rows(), max_nodes));
}

StoredKnn::~StoredKnn() = default;
StoredKnn::StoredKnn(StoredKnn&&) noexcept = default;

std::uint64_t StoredKnn::rows() const {
  return state_->ids.rows;
}
std::uint32_t StoredKnn::k() const {
  return state_->k;
}

void StoredKnn::read(std::uint64_t begin, MatrixView<std::int32_t> ids, MatrixView<float> similarities) const {
  const std::uint64_t row_bytes = std::uint64_t{state_->k} * 4;
  const auto fill = [&](const StoredArray& array, void* to, std::uint64_t count) {
    array.file.read_at(array.offset + begin * row_bytes, to, count * row_bytes);
  };
  fill(state_->ids, ids.data(), ids.rows());
  fill(state_->similarities, similarities.data(), similarities.rows());
}

}  // namespace lowshot
