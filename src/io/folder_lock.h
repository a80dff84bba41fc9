#pragma once
// A folder that one process works in at a time. The lock goes with the process, however it ends.

#include <filesystem>
#include <functional>
#include <memory>

namespace lowshot::io {

class FolderLock {
 public:
  /// Makes the folder if it is not there and locks it. Throws Error (resources) when another process holds it.
  explicit FolderLock(const std::filesystem::path& folder);
  /// The same; nothing when another process holds it.
  static std::unique_ptr<FolderLock> if_free(const std::filesystem::path& folder);
  /// The same; waits while another process holds it, asking `stop` a few times a second. Nothing once that is true.
  static std::unique_ptr<FolderLock> wait(const std::filesystem::path& folder, const std::function<bool()>& stop);
  ~FolderLock();
  FolderLock(const FolderLock&) = delete;
  FolderLock& operator=(const FolderLock&) = delete;

 private:
  FolderLock(const std::filesystem::path& folder, bool& held_by_another);

  int descriptor_ = -1;
};

}  // namespace lowshot::io
