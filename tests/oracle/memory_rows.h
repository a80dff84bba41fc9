#pragma once
// A RowSource whose rows are in memory; it remembers how it was read.

#include <algorithm>
#include <cstdint>
#include <string>

#include "lowshot/row_source.h"
#include "oracle/made_up_rows.h"

namespace oracle {

class MemoryRows : public lowshot::RowSource {
 public:
  explicit MemoryRows(const MadeUpRows& made_up) : rows_(made_up) {}

  std::uint64_t rows() const override { return rows_.n; }
  std::uint32_t dim() const override { return static_cast<std::uint32_t>(rows_.d); }
  void read(std::uint64_t begin, lowshot::MatrixView<float> out) override {
    largest_read_ = std::max(largest_read_, out.rows());
    rows_read_ += out.rows();
    std::copy_n(rows_.row(begin), out.size(), out.data());
  }
  std::string name() const override { return "made-up rows"; }

  std::size_t largest_read() const { return largest_read_; }
  std::uint64_t rows_read() const { return rows_read_; }

 private:
  MadeUpRows rows_;
  std::size_t largest_read_ = 0;
  std::uint64_t rows_read_ = 0;
};

}  // namespace oracle
