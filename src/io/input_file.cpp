#include "io/input_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace lowshot::io {

InputFile::InputFile(const std::filesystem::path& path) : name_(path.string()) {
  // O_NONBLOCK: opening a pipe by mistake must not wait for its writer. It means nothing to a regular file.
  descriptor_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) {
    const int reason = errno;
    throw Error(ErrorKind::input, fmt::format("cannot open a file for reading: {}", std::strerror(reason)), name_,
                reason == ENOENT ? "check the path" : "check the file's permissions");
  }
  struct stat status = {};
  if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(descriptor_);
    throw Error(ErrorKind::input, "expected a regular file and found something else (a directory or a device)", name_,
                "check the path");
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

InputFile::~InputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

InputFile::InputFile(InputFile&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), size_(other.size_), name_(other.name_) {}

void InputFile::read_at(std::uint64_t offset, void* out, std::uint64_t bytes) const {
  if (offset > size_ || bytes > size_ - offset) {
    fail(fmt::format("{} bytes are expected at byte {} and the file ends at byte {}", bytes, offset, size_),
         "the file is truncated: make or fetch it again");
  }
  auto* target = static_cast<char*>(out);
  while (bytes > 0) {
    // Linux reads at most 2 GiB less a page a call; 1 GiB keeps clear of it.
    const ssize_t got = ::pread(descriptor_, target, std::min<std::uint64_t>(bytes, std::uint64_t{1} << 30),
                                static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(fmt::format("reading {} bytes at byte {} failed: {}", bytes, offset, std::strerror(errno)));
    if (got == 0) fail(fmt::format("the file shrank to {} bytes while it was read", offset), "run again");
    target += got;
    offset += static_cast<std::uint64_t>(got);
    bytes -= static_cast<std::uint64_t>(got);
  }
}

void InputFile::fail(const std::string& what, const std::string& advice) const {
  throw Error(ErrorKind::input, what, name_, advice);
}

void SequentialReader::require(std::uint64_t bytes, const char* what) const {
  if (bytes <= remaining()) return;
  fail(fmt::format("{} is expected and the file ends at byte {}", what, file_.size()),
       "the file is truncated: make or fetch it again");
}

void SequentialReader::require_values(std::uint64_t count, std::uint64_t width, const char* what) const {
  if (count <= remaining() / width) return;
  fail(fmt::format("{}: {} values of {} bytes are announced and {} bytes are left", what, count, width, remaining()),
       "the file is truncated or damaged: make or fetch it again");
}

void SequentialReader::require_end() const {
  if (remaining() == 0) return;
  fail(fmt::format("the content ends here and the file has {} bytes more", remaining()),
       "the file is damaged or of another kind: make or fetch it again");
}

void SequentialReader::fail(const std::string& what, const std::string& advice) const {
  throw Error(ErrorKind::input, what, fmt::format("{}, byte {}", file_.name(), position_), advice);
}

}  // namespace lowshot::io
