#pragma once
// Rows of descriptors that may be larger than memory: a file (or a part of one) read block by block as float32.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lowshot/descriptors.h"
#include "lowshot/matrix.h"

namespace lowshot {

/// rows() x dim() descriptors, read in blocks. Implementations: npy, raw, HDF5, Faiss index (lowshot/io.h).
/// Not thread-safe: one thread reads. The order of reads is free; ascending is fastest.
class RowSource {
 public:
  virtual ~RowSource() = default;
  virtual std::uint64_t rows() const = 0;
  virtual std::uint32_t dim() const = 0;
  /// Values are stored as float16, so that a float16 copy in memory loses nothing.
  virtual bool is_half() const { return false; }
  /// Fills `out` (out.cols() == dim()) with rows begin .. begin + out.rows() - 1, converted to float32.
  /// Values are passed on as they are: NaN and infinity are the caller's to check (`require_finite`).
  /// Throws Error (input) where the file turns out to be damaged.
  virtual void read(std::uint64_t begin, MatrixView<float> out) = 0;
  /// For messages: the file, with its dataset where it has several.
  virtual std::string name() const = 0;
};

/// Throws Error (input) naming row (counted from `first_row`) and column of the first NaN or infinity, or the first
/// row whose values are all zero (it has no direction, so no neighbours). `source` goes into the message.
void require_usable(MatrixView<const float> rows, const std::string& source, std::uint64_t first_row = 0);

/// The same, but a row of zeros passes: it has a place among others where no direction is needed (l2, inner product).
void require_finite(MatrixView<const float> rows, const std::string& source, std::uint64_t first_row = 0);

/// Divides every row by its Euclidean norm (accumulated in double). A zero row stays zero. In place.
void normalise_rows(MatrixView<float> rows);

/// Rows in memory as a source; they must outlive it. `name`: for messages.
std::unique_ptr<RowSource> rows_in_memory(DescriptorView rows, std::string name);

/// Rows begin .. end-1 of a source as one matrix, checked by require_usable.
Matrix<float> read_rows(RowSource& source, std::uint64_t begin, std::uint64_t end);

/// `count` rows (or all, where there are fewer) in so many blocks, evenly spread over a source: files are often sorted
/// by class, so the first rows are no sample. A block of a compressed file costs a whole chunk at either end. Values
/// are not checked; those that are not finite become 0. `row_of` receives the row each one is, if it is given.
Matrix<float> read_sample(RowSource& source, std::uint64_t count, std::uint32_t blocks = 16,
                          std::vector<std::uint64_t>* row_of = nullptr);

}  // namespace lowshot
