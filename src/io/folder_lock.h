#pragma once
// A folder that one process works in at a time. The lock goes with the process, however it ends.

#include <filesystem>

namespace lowshot::io {

class FolderLock {
 public:
  /// Makes the folder if it is not there and locks it. Throws Error (resources) when another process holds it.
  explicit FolderLock(const std::filesystem::path& folder);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  int descriptor_ = -1;
};

}  // namespace lowshot::io
