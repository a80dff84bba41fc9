#pragma once
// A file that is read at given places. Positions are 64 bit and every read is checked against the file's size, so a
// header that lies about lengths ends in a sentence. Plain pread: a mapping of a file that shrinks kills the process,
// and counts every page read as the program's memory.

#include <cstdint>
#include <filesystem>
#include <string>
#include <type_traits>
#include <vector>

#include "lowshot/error.h"

namespace lowshot::io {

class InputFile {
 public:
  /// Throws Error (input) when `path` is absent, unreadable or not a regular file.
  explicit InputFile(const std::filesystem::path& path);
  ~InputFile();
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&&) = delete;

  std::uint64_t size() const { return size_; }
  const std::string& name() const { return name_; }

  /// Throws Error (input) when [offset, offset + bytes) is not inside the file.
  void read_at(std::uint64_t offset, void* out, std::uint64_t bytes) const;

  [[noreturn]] void fail(const std::string& what, const std::string& advice = {}) const;

 private:
  int descriptor_ = -1;
  std::uint64_t size_ = 0;
  std::string name_;
};

/// Reads values one after the other, for formats that are a sequence of lengths and arrays.
class SequentialReader {
 public:
  explicit SequentialReader(const InputFile& file) : file_(file) {}

  std::uint64_t position() const { return position_; }
  std::uint64_t remaining() const { return file_.size() - position_; }
  const InputFile& file() const { return file_; }

  /// `what` names the value in the message when the file ends before it.
  template <typename T>
  T value(const char* what) {
    static_assert(std::is_trivially_copyable_v<T>);
    T result;
    require(sizeof(T), what);
    file_.read_at(position_, &result, sizeof(T));
    position_ += sizeof(T);
    return result;
  }

  /// `length` characters, such as the letters that name a format.
  std::string text(std::uint64_t length, const char* what) {
    require(length, what);
    std::string result(length, '\0');
    file_.read_at(position_, result.data(), length);
    position_ += length;
    return result;
  }

  /// A 64-bit count, then that many values.
  template <typename T>
  std::vector<T> counted(const char* what) {
    const std::uint64_t count = value<std::uint64_t>(what);
    return values<T>(count, what);
  }

  template <typename T>
  std::vector<T> values(std::uint64_t count, const char* what) {
    static_assert(std::is_trivially_copyable_v<T>);
    require_values(count, sizeof(T), what);
    std::vector<T> result(count);
    file_.read_at(position_, result.data(), count * sizeof(T));
    position_ += count * sizeof(T);
    return result;
  }

  /// Steps over `count` values of `width` bytes; they must be there. Returns where they begin.
  std::uint64_t skip(std::uint64_t count, std::uint64_t width, const char* what) {
    require_values(count, width, what);
    const std::uint64_t begin = position_;
    position_ += count * width;
    return begin;
  }

  /// Throws unless the file ends here.
  void require_end() const;

  [[noreturn]] void fail(const std::string& what, const std::string& advice = {}) const;

 private:
  void require(std::uint64_t bytes, const char* what) const;
  void require_values(std::uint64_t count, std::uint64_t width, const char* what) const;

  const InputFile& file_;
  std::uint64_t position_ = 0;
};

}  // namespace lowshot::io
