#include "knn/streamed_files.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "lowshot/error.h"
#include "lowshot/memory.h"
#include "lowshot/time_plan.h"

namespace lowshot::knn {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path, int reason) {
  throw Error(ErrorKind::resources, fmt::format("a scratch file cannot be written: {}", std::strerror(reason)),
              path.string(), "make room, or put it on another disk with --scratch");
}

// The folder, or what there is of it.
fs::path existing(const fs::path& folder) {
  fs::path place = fs::absolute(folder);
  std::error_code error;
  while (!fs::exists(place, error) && place.has_parent_path() && place != place.parent_path())
    place = place.parent_path();
  return place;
}

}  // namespace

RecordAppender::RecordAppender(fs::path path, std::uint64_t buffer_bytes)
    : path_(std::move(path)), buffer_(buffer_bytes) {
  const int file = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (file < 0) fail(path_, errno);
  ::close(file);
}

void RecordAppender::append(const void* record, std::uint64_t bytes) {
  if (filled_ + bytes > buffer_.size()) write_buffer(false);
  if (bytes > buffer_.size()) buffer_.resize(bytes);
  std::memcpy(buffer_.data() + filled_, record, bytes);
  filled_ += bytes;
}

void RecordAppender::finish() {
  write_buffer(true);
  buffer_ = {};
}

void RecordAppender::write_buffer(bool durable) {
  hash_.add(buffer_.data(), filled_);
  const int file = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (file < 0) fail(path_, errno);
  for (std::uint64_t done = 0; done < filled_;) {
    const ssize_t written = ::write(file, buffer_.data() + done, filled_ - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const int reason = written < 0 ? errno : ENOSPC;
      ::close(file);
      fail(path_, reason);
    }
    done += static_cast<std::uint64_t>(written);
  }
  const int synced = durable ? ::fdatasync(file) : 0, reason = errno;
  ::close(file);
  if (synced != 0) fail(path_, reason);
  filled_ = 0;
}

RecordReader::RecordReader(const fs::path& path, std::uint64_t record_bytes, std::uint64_t buffer_bytes)
    : file_(path), record_bytes_(record_bytes) {
  const std::uint64_t at_once = std::max<std::uint64_t>(1, std::min(buffer_bytes / record_bytes, records()));
  buffer_.resize(at_once * record_bytes);
}

const char* RecordReader::peek(std::uint64_t& count) {
  if (next_ == held_) {
    held_ = std::min(buffer_.size() / record_bytes_, records() - loaded_);
    next_ = 0;
    if (held_ != 0) file_.read_at(loaded_ * record_bytes_, buffer_.data(), held_ * record_bytes_);
    loaded_ += held_;
  }
  count = held_ - next_;
  return buffer_.data() + next_ * record_bytes_;
}

double seconds_a_written_byte(const fs::path& folder) {
  constexpr std::size_t piece = std::size_t{8} << 20, pieces = 8;
  const int file = ::open(existing(folder).c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (file < 0) return 0;
  const std::vector<char> bytes(piece, 1);
  std::size_t written = 0;
  const double seconds = seconds_of([&] {
    for (std::size_t i = 0; i < pieces; ++i)
      if (const ssize_t some = ::write(file, bytes.data(), piece); some > 0) written += static_cast<std::size_t>(some);
    ::fdatasync(file);
  });
  ::close(file);
  return written == 0 ? 0 : seconds / static_cast<double>(written);
}

void require_space(const fs::path& folder, std::uint64_t bytes) {
  const fs::path place = existing(folder);
  std::error_code error;
  const fs::space_info space = fs::space(place, error);
  if (error || space.available >= bytes) return;  // where nobody can say, writing will
  throw Error(ErrorKind::resources,
              fmt::format("scratch files and result take about {} and {} is free", format_bytes(bytes),
                          format_bytes(space.available)),
              place.string(), "make room, name a folder on another disk with --scratch, or raise --memory");
}

}  // namespace lowshot::knn
