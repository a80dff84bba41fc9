#include "io/folder_lock.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include "lowshot/error.h"

namespace lowshot::io {

FolderLock::FolderLock(const std::filesystem::path& folder, bool& held_by_another) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    throw Error(ErrorKind::resources, fmt::format("cannot make a folder: {}", error.message()), folder.string());
  descriptor_ = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor_ < 0)
    throw Error(ErrorKind::resources, fmt::format("cannot open a folder: {}", std::strerror(errno)), folder.string());
  // A file system without locks (some network ones): one process at a time is the user's to see to.
  held_by_another = ::flock(descriptor_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

FolderLock::FolderLock(const std::filesystem::path& folder) {
  const auto lock = if_free(folder);
  if (lock == nullptr)
    throw Error(ErrorKind::resources, "another lowshot is at work in this folder", folder.string(),
                "wait for it, or give this one another name for its result");
  std::swap(descriptor_, lock->descriptor_);
}

std::unique_ptr<FolderLock> FolderLock::if_free(const std::filesystem::path& folder) {
  bool held_by_another = false;
  std::unique_ptr<FolderLock> lock(new FolderLock(folder, held_by_another));
  return held_by_another ? nullptr : std::move(lock);
}

std::unique_ptr<FolderLock> FolderLock::wait(const std::filesystem::path& folder, const std::function<bool()>& stop) {
  while (!stop()) {
    if (auto lock = if_free(folder)) return lock;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  return nullptr;
}

FolderLock::~FolderLock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

}  // namespace lowshot::io
