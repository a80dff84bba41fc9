#pragma once
// A file that appears under its name whole or not at all: written under a temporary name in the same directory, made
// durable, renamed. Dropped without `commit`, nothing remains.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace lowshot::io {

class OutputFile {
 public:
  /// Throws Error (resources) when the directory cannot be written or `path` is there and not a regular file.
  explicit OutputFile(const std::filesystem::path& path);
  ~OutputFile();
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;

  /// Reserves the disk space of the whole file, so that a full disk is found before the work and not after it.
  void reserve(std::uint64_t bytes);
  void write_at(std::uint64_t offset, const void* data, std::uint64_t bytes);
  void commit();

  const std::string& name() const { return name_; }
  /// For libraries that open files themselves: what they write under this name until `commit`.
  const std::filesystem::path& temporary() const { return temporary_; }
  [[noreturn]] void fail(const std::string& doing, int reason) const;

 private:
  std::filesystem::path target_;
  std::filesystem::path temporary_;
  std::string name_;
  int descriptor_ = -1;
};

/// Writes values one after the other through a buffer, for formats that are a sequence of lengths and arrays.
class SequentialWriter {
 public:
  explicit SequentialWriter(OutputFile& file) : file_(file) {}

  void bytes(const void* data, std::uint64_t count);
  template <typename T>
  void value(const T& v) {
    bytes(&v, sizeof(T));
  }
  template <typename T>
  void counted(const T* data, std::uint64_t count) {
    value(count);
    bytes(data, count * sizeof(T));
  }
  /// To be called once, at the end.
  void flush();

 private:
  OutputFile& file_;
  std::vector<char> buffer_;
  std::uint64_t position_ = 0;
};

}  // namespace lowshot::io
