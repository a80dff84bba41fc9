#pragma once
// A part of a file read from front to back in small pieces, for formats whose length shows only at their end.

#include <cstdint>
#include <string>
#include <vector>

#include "io/input_file.h"

namespace lowshot::checkpoint {

/// Throws Error (input) naming the file and the byte.
[[noreturn]] void fail_at(const io::InputFile& file, std::uint64_t position, const std::string& what,
                          const std::string& advice = {});

class ByteSource {
 public:
  /// Bytes begin .. end-1 of the file, which holds them.
  ByteSource(const io::InputFile& file, std::uint64_t begin, std::uint64_t end)
      : file_(file), position_(begin), end_(end) {}

  std::uint64_t position() const { return position_; }
  const io::InputFile& file() const { return file_; }

  std::uint8_t byte();
  /// An unsigned integer of `width` <= 8 bytes, little-endian.
  std::uint64_t number(unsigned width);
  /// Throws before anything is allocated where fewer than `length` bytes are left.
  std::string text(std::uint64_t length);
  /// Up to the next line feed, which is stepped over; at most 1,000 bytes.
  std::string line();
  /// Throws unless that many bytes are left.
  void require(std::uint64_t length) const;

  [[noreturn]] void fail(const std::string& what, const std::string& advice = {}) const;

 private:
  const io::InputFile& file_;
  std::uint64_t position_, end_;
  std::uint64_t buffered_from_ = 0;
  std::vector<std::uint8_t> buffer_;
};

}  // namespace lowshot::checkpoint
