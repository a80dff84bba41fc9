#include "io/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "lowshot/error.h"
#include "lowshot/io.h"

namespace lowshot::io {
namespace {

constexpr std::size_t buffer_bytes = 1 << 20;

/// What a rename has to replace: the file behind a symbolic link, so that a link to another disk stays one.
fs::path resolve(const fs::path& path) {
  std::error_code ignored;
  if (!fs::is_symlink(path, ignored)) return path;
  const fs::path resolved = fs::weakly_canonical(path, ignored);
  return resolved.empty() ? path : resolved;
}

}  // namespace

OutputFile::OutputFile(const std::filesystem::path& path) : target_(resolve(path)), name_(path.string()) {
  struct stat status = {};
  if (::stat(target_.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) {
    throw Error(ErrorKind::resources, "cannot write a file: something that is not a regular file has its name", name_,
                "choose another name");
  }
  if (target_.filename().empty()) fail("write a file", EISDIR);
  const fs::path directory = target_.has_parent_path() ? target_.parent_path() : fs::path(".");
  for (int attempt = 0; descriptor_ < 0; ++attempt) {
    temporary_ = directory / fmt::format(".lowshot-{}-{}.tmp", ::getpid(), attempt);
    descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (descriptor_ < 0 && errno != EEXIST) {
      const int reason = errno;
      temporary_.clear();
      fail("create a file", reason);
    }
  }
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void OutputFile::reserve(std::uint64_t bytes) {
  if (bytes == 0) return;
  const std::string doing = fmt::format("reserve {} bytes for a file", bytes);
  if (bytes > static_cast<std::uint64_t>(INT64_MAX)) fail(doing, EFBIG);
  const auto size = static_cast<off_t>(bytes);
  int result = 0;
  do {
    result = ::fallocate(descriptor_, 0, 0, size);
  } while (result != 0 && errno == EINTR);
  if (result == 0) return;
  if (errno != EOPNOTSUPP && errno != ENOSYS) fail(doing, errno);
  // A file system that cannot reserve. (posix_fallocate would write into every block instead, until the disk is full.)
  struct statvfs room = {};
  if (::fstatvfs(descriptor_, &room) == 0 && bytes / room.f_frsize > room.f_bavail) fail(doing, ENOSPC);
  if (::ftruncate(descriptor_, size) != 0) fail(doing, errno);
}

void OutputFile::write_at(std::uint64_t offset, const void* data, std::uint64_t bytes) {
  const auto* source = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t put = ::pwrite(descriptor_, source, std::min<std::uint64_t>(bytes, std::uint64_t{1} << 30),
                                 static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail("write a file", errno);
    source += put;
    offset += static_cast<std::uint64_t>(put);
    bytes -= static_cast<std::uint64_t>(put);
  }
}

void OutputFile::commit() {
  if (::fsync(descriptor_) != 0) fail("write a file", errno);
  const int closed = ::close(descriptor_);
  descriptor_ = -1;
  if (closed != 0) fail("write a file", errno);
  if (::rename(temporary_.c_str(), target_.c_str()) != 0) fail("give a finished file its name", errno);
  const fs::path directory = temporary_.parent_path();
  temporary_.clear();
  // The name itself is durable once the directory is. A file system that cannot do this has still the whole file.
  const int handle = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (handle >= 0) {
    ::fsync(handle);
    ::close(handle);
  }
}

void OutputFile::fail(const std::string& doing, int reason) const {
  std::string advice = "check the directory and its permissions";
  if (reason == ENOSPC || reason == EDQUOT) advice = "free disk space or write elsewhere";
  if (reason == EFBIG) advice = "the file system or a limit (ulimit -f) allows no file this large";
  throw Error(ErrorKind::resources, fmt::format("cannot {}: {}", doing, std::strerror(reason)), name_, advice);
}

void SequentialWriter::bytes(const void* data, std::uint64_t count) {
  if (buffer_.size() + count > buffer_bytes) flush();
  if (count >= buffer_bytes) {
    file_.write_at(position_, data, count);
    position_ += count;
    return;
  }
  const auto* begin = static_cast<const char*>(data);
  buffer_.insert(buffer_.end(), begin, begin + count);
}

void SequentialWriter::flush() {
  file_.write_at(position_, buffer_.data(), buffer_.size());
  position_ += buffer_.size();
  buffer_.clear();
}

}  // namespace lowshot::io

namespace lowshot {

void write_file(const fs::path& path, std::string_view bytes) {
  io::OutputFile file(path);
  file.reserve(bytes.size());
  file.write_at(0, bytes.data(), bytes.size());
  file.commit();
}

}  // namespace lowshot
