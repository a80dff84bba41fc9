#pragma once
// Rows that lie one behind the other in a file, from some byte on: what npy and raw have in common.

#include <cstdint>
#include <string>
#include <vector>

#include "io/input_file.h"
#include "io/scalar.h"
#include "lowshot/row_source.h"

namespace lowshot::io {

class FlatRows : public RowSource {
 public:
  /// The caller has checked that rows x dim values of `type` (a float) lie behind `offset`.
  FlatRows(InputFile file, std::uint64_t offset, Scalar type, std::uint64_t rows, std::uint32_t dim);

  std::uint64_t rows() const override { return rows_; }
  std::uint32_t dim() const override { return dim_; }
  bool is_half() const override { return type_ == Scalar::float16; }
  void read(std::uint64_t begin, MatrixView<float> out) override;
  std::string name() const override { return file_.name(); }

 private:
  InputFile file_;
  std::uint64_t offset_;
  Scalar type_;
  std::uint64_t rows_;
  std::uint32_t dim_;
  std::vector<char> block_;  // stored values on their way to float32
};

/// Throws std::logic_error unless out has the source's dimension and begin .. begin + out.rows() - 1 are its rows:
/// a wrong call is a bug, not bad data.
void require_block(const RowSource& source, std::uint64_t begin, MatrixView<float> out);

}  // namespace lowshot::io
