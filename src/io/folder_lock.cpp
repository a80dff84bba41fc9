#include "io/folder_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <system_error>

#include "lowshot/error.h"

namespace lowshot::io {

FolderLock::FolderLock(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    throw Error(ErrorKind::resources, fmt::format("cannot make a folder: {}", error.message()), folder.string());
  descriptor_ = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor_ < 0)
    throw Error(ErrorKind::resources, fmt::format("cannot open a folder: {}", std::strerror(errno)), folder.string());
  if (::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  const int reason = errno;
  // A file system without locks (some network ones): one process at a time is the user's to see to.
  if (reason != EWOULDBLOCK) return;
  ::close(descriptor_);
  descriptor_ = -1;
  throw Error(ErrorKind::resources, "another lowshot is at work in this folder", folder.string(),
              "wait for it, or give this one another name for its result");
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace lowshot::io
