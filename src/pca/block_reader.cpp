// Double-buffered reading. std::async with a thread a block (a block takes milliseconds, a thread microseconds) carries
// exceptions across, and its future's destructor waits for the reader when the caller throws.

#include "pca/block_reader.h"

#include <algorithm>
#include <utility>

namespace lowshot {

BlockReader::BlockReader(RowSource& source, std::size_t block_rows)
    : source_(source), block_rows_(static_cast<std::size_t>(std::min<std::uint64_t>(block_rows, source.rows()))) {
  present_ = Matrix<float>(block_rows_, source.dim());
  if (source.rows() > block_rows_) coming_ = Matrix<float>(block_rows_, source.dim());
  std::swap(present_, coming_);
  start();
}

BlockReader::~BlockReader() = default;

void BlockReader::start() {
  coming_rows_ = static_cast<std::size_t>(std::min<std::uint64_t>(block_rows_, source_.rows() - next_row_));
  if (coming_rows_ == 0) return;
  const MatrixView<float> out = coming_.view().rows(0, coming_rows_);
  const std::uint64_t begin = next_row_;
  next_row_ += coming_rows_;
  reading_ = std::async(std::launch::async, [this, out, begin] {
    source_.read(begin, out);
    require_usable(out, source_.name(), begin);
  });
}

bool BlockReader::next() {
  if (coming_rows_ == 0) return false;
  reading_.get();
  first_row_ = next_row_ - coming_rows_;
  present_rows_ = coming_rows_;
  std::swap(present_, coming_);
  start();
  return true;
}

std::uint64_t BlockReader::memory(std::uint64_t rows, std::uint32_t dim, std::size_t block_rows) {
  const std::uint64_t held = rows <= block_rows ? rows : 2 * std::uint64_t{block_rows};
  return held * dim * sizeof(float);
}

}  // namespace lowshot
