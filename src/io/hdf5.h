#pragma once
// A small layer over the HDF5 C library: handles that close themselves, failures that become sentences.
// The library is not thread-safe as Debian builds it: one thread of the process at a time.

#include <hdf5.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "io/scalar.h"
#include "lowshot/matrix.h"

namespace lowshot::io {

/// While one lives, HDF5 prints nothing; its own account of a failure goes into the Error instead.
class QuietHdf5 {
 public:
  QuietHdf5();
  ~QuietHdf5();
  QuietHdf5(const QuietHdf5&) = delete;
  QuietHdf5& operator=(const QuietHdf5&) = delete;

 private:
  H5E_auto2_t print_ = nullptr;
  void* data_ = nullptr;
};

/// Owns an HDF5 identifier of any kind.
class Hdf5Handle {
 public:
  Hdf5Handle() = default;
  Hdf5Handle(hid_t id, herr_t (*close)(hid_t)) : id_(id), close_(close) {}
  ~Hdf5Handle() { reset(); }
  Hdf5Handle(Hdf5Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), close_(other.close_) {}
  Hdf5Handle& operator=(Hdf5Handle&& other) noexcept {
    reset();
    id_ = std::exchange(other.id_, -1);
    close_ = other.close_;
    return *this;
  }

  hid_t get() const { return id_; }

 private:
  void reset() {
    if (id_ >= 0) close_(id_);
    id_ = -1;
  }

  hid_t id_ = -1;
  herr_t (*close_)(hid_t) = nullptr;
};

/// A file opened for reading. Throws Error (input) when it is absent, not HDF5, truncated or longer than it says.
class Hdf5File {
 public:
  explicit Hdf5File(const std::string& path);

  const std::string& name() const { return name_; }
  hid_t get() const { return file_.get(); }
  bool has(const char* dataset) const;

 private:
  std::string name_;
  Hdf5Handle file_;
};

/// A dataset of numbers with one or two dimensions, checked: kept in this file, filtered by shuffle, gzip and
/// fletcher32 at most. Throws Error (input) naming the dataset.
class Hdf5Dataset {
 public:
  enum class Kind { floats, integers };

  Hdf5Dataset(const Hdf5File& file, const char* name, Kind kind, std::size_t rank);

  const std::vector<std::uint64_t>& shape() const { return shape_; }
  Scalar type() const { return type_; }  ///< floats: float16 or float32
  std::string name() const { return file_name_ + ":" + name_; }

  /// Throws unless the stored bytes can hold the first `rows` rows: at most 1,100 times as many bytes come out of
  /// gzip (its format reaches 1,032), so a file can never make the program allocate much more than it holds.
  void require_backing(std::uint64_t rows) const;

  /// Rows begin .. begin + out.rows() - 1 of a two-dimensional dataset of floats.
  void read_rows(std::uint64_t begin, MatrixView<float> out) const;
  /// Entries 0 .. count - 1 of a one-dimensional dataset of integers.
  std::vector<std::int64_t> read_integers(std::uint64_t count) const;

  [[noreturn]] void fail(const std::string& what, const std::string& advice = {}) const;

 private:
  void check_type(Kind kind);
  void check_storage(const Hdf5File& file);
  void read(std::uint64_t begin, std::uint64_t count, hid_t memory_type, void* out) const;

  std::string file_name_, name_;
  Hdf5Handle dataset_, type_handle_;
  std::vector<std::uint64_t> shape_;
  Scalar type_ = Scalar::float32;
  std::uint64_t element_bytes_ = 0;
  mutable std::vector<Half> block_;  ///< float16 values on their way to float32
};

}  // namespace lowshot::io
