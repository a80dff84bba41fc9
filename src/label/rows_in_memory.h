#pragma once
// Rows in memory as a source of rows.

#include <algorithm>

#include "lowshot/row_source.h"

namespace lowshot {

class RowsInMemory : public RowSource {
 public:
  explicit RowsInMemory(MatrixView<const float> rows) : rows_(rows) {}
  std::uint64_t rows() const override { return rows_.rows(); }
  std::uint32_t dim() const override { return static_cast<std::uint32_t>(rows_.cols()); }
  void read(std::uint64_t begin, MatrixView<float> out) override {
    std::copy_n(rows_.row(begin), out.size(), out.data());
  }
  std::string name() const override { return "rows in memory"; }

 private:
  MatrixView<const float> rows_;
};

}  // namespace lowshot
