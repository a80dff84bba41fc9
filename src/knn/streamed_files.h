#pragma once
// Scratch files of the streamed k-NN search: records of one size, appended through a buffer and read from the front.

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "io/content_hash.h"
#include "io/input_file.h"

namespace lowshot::knn {

/// Appends to a file, which is open only while the buffer is written: there may be hundreds. Throws Error (resources)
/// when the disk is full.
class RecordAppender {
 public:
  /// Begins the file anew.
  RecordAppender(std::filesystem::path path, std::uint64_t buffer_bytes);

  void append(const void* record, std::uint64_t bytes);
  /// Writes what is in the buffer and makes the file durable.
  void finish();
  std::string hash() const { return hash_.hex(); }

 private:
  void write_buffer(bool durable);

  std::filesystem::path path_;
  std::vector<char> buffer_;
  std::uint64_t filled_ = 0;
  io::ContentHash hash_;
};

/// Reads records one after the other, many at a time.
class RecordReader {
 public:
  RecordReader(const std::filesystem::path& path, std::uint64_t record_bytes, std::uint64_t buffer_bytes);

  std::uint64_t records() const { return file_.size() / record_bytes_; }
  /// The records in the buffer that were not taken; empty at the end of the file.
  const char* peek(std::uint64_t& count);
  void take(std::uint64_t count) { next_ += count; }

 private:
  io::InputFile file_;
  std::uint64_t record_bytes_;
  std::vector<char> buffer_;
  std::uint64_t loaded_ = 0;           // records read from the file
  std::uint64_t held_ = 0, next_ = 0;  // in the buffer, and the first not taken
};

/// Seconds that writing a byte takes there, as a file without a name shows. 0 where none can be made.
double seconds_a_written_byte(const std::filesystem::path& folder);

/// Throws Error (resources) when less than `bytes` is free where `folder` is or will be.
void require_space(const std::filesystem::path& folder, std::uint64_t bytes);

}  // namespace lowshot::knn
