#pragma once
// Row-major matrices in host memory: `Matrix<T>` owns, `MatrixView<T>` looks. Views go in, owners come out.

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <type_traits>

#include "lowshot/allocation.h"

namespace lowshot {

/// IEEE binary16, for storage only: arithmetic is done in float (src/core/half.h converts).
struct Half {
  std::uint16_t bits;
};

/// A look at rows x cols values of host memory, row-major, rows without gaps. Does not own them; cheap to copy.
/// T is const for read access. Thread-safe as the memory behind it.
template <typename T>
class MatrixView {
 public:
  MatrixView() = default;
  MatrixView(T* data, std::size_t rows, std::size_t cols) : data_(data), rows_(rows), cols_(cols) {}

  /// A view to change is also a view to read.
  operator MatrixView<const T>() const requires(!std::is_const_v<T>) { return {data_, rows_, cols_}; }

  std::size_t rows() const { return rows_; }
  std::size_t cols() const { return cols_; }
  std::size_t size() const { return rows_ * cols_; }
  T* data() const { return data_; }

  T* row(std::size_t i) const {
    assert(i < rows_);
    return data_ + i * cols_;
  }
  std::span<T> row_span(std::size_t i) const { return {row(i), cols_}; }
  T& operator()(std::size_t i, std::size_t j) const {
    assert(j < cols_);
    return row(i)[j];
  }

  /// Rows begin .. end-1.
  MatrixView rows(std::size_t begin, std::size_t end) const {
    assert(begin <= end && end <= rows_);
    return {data_ + begin * cols_, end - begin, cols_};
  }

 private:
  T* data_ = nullptr;
  std::size_t rows_ = 0;
  std::size_t cols_ = 0;
};

/// Owns rows x cols values on cache lines, on large pages where there are many (allocate_array). Moves, does not copy:
/// a copy of gigabytes is never an accident. Memory comes uninitialised unless `zeroed` is used. Throws std::bad_alloc.
template <typename T>
class Matrix {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  Matrix() = default;
  Matrix(std::size_t rows, std::size_t cols) : rows_(rows), cols_(cols) {
    if (cols != 0 && rows > SIZE_MAX / sizeof(T) / cols - 64) throw std::bad_alloc();
    data_.reset(static_cast<T*>(allocate_array(rows * cols * sizeof(T))));
  }
  static Matrix zeroed(std::size_t rows, std::size_t cols) {
    Matrix m(rows, cols);
    for (std::size_t i = 0; i < m.size(); ++i) m.data()[i] = T{};
    return m;
  }

  std::size_t rows() const { return rows_; }
  std::size_t cols() const { return cols_; }
  std::size_t size() const { return rows_ * cols_; }
  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  T* row(std::size_t i) { return view().row(i); }
  const T* row(std::size_t i) const { return view().row(i); }
  T& operator()(std::size_t i, std::size_t j) { return view()(i, j); }
  const T& operator()(std::size_t i, std::size_t j) const { return view()(i, j); }

  MatrixView<T> view() { return {data_.get(), rows_, cols_}; }
  MatrixView<const T> view() const { return {data_.get(), rows_, cols_}; }
  operator MatrixView<T>() { return view(); }
  operator MatrixView<const T>() const { return view(); }

 private:
  struct Free {
    void operator()(T* p) const { free_array(p); }
  };
  std::unique_ptr<T, Free> data_;
  std::size_t rows_ = 0;
  std::size_t cols_ = 0;
};

}  // namespace lowshot
