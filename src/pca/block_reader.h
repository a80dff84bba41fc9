#pragma once
// The rows of a source in blocks, the next one read while the caller computes on the present one.

#include <cstdint>
#include <future>

#include "lowshot/matrix.h"
#include "lowshot/row_source.h"

namespace lowshot {

/// Blocks of `block_rows` rows in order, the last one shorter. Holds two blocks of memory. Every block has passed
/// require_usable. The reading thread opens no OpenMP region; between construction and the last `next` the source
/// belongs to it.
class BlockReader {
 public:
  BlockReader(RowSource& source, std::size_t block_rows);
  ~BlockReader();
  BlockReader(const BlockReader&) = delete;
  BlockReader& operator=(const BlockReader&) = delete;

  /// False after the last block. Rethrows what reading threw.
  bool next();
  std::uint64_t first_row() const { return first_row_; }
  /// The present block; the caller may change its values. Valid until the next `next`.
  MatrixView<float> rows() { return present_.view().rows(0, present_rows_); }

  static std::uint64_t memory(std::uint64_t rows, std::uint32_t dim, std::size_t block_rows);

 private:
  void start();

  RowSource& source_;
  std::size_t block_rows_;
  Matrix<float> present_, coming_;
  std::uint64_t first_row_ = 0;  ///< of the present block
  std::size_t present_rows_ = 0;
  std::uint64_t next_row_ = 0;   ///< first row that nobody has asked the source for
  std::size_t coming_rows_ = 0;  ///< 0: nothing is being read
  std::future<void> reading_;    ///< last member: its destructor waits, while the buffers still exist
};

}  // namespace lowshot
