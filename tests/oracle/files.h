#pragma once
// What the tests of the formats share: directories that vanish, bytes of files, the full data set where it is.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace fixtures {

namespace fs = std::filesystem;

/// A new empty directory, removed with all it holds.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const fs::path& path() const { return path_; }
  fs::path operator/(const std::string& name) const { return path_ / name; }
  std::size_t files() const;  ///< hidden ones too

 private:
  fs::path path_;
};

std::string bytes_of(const fs::path& path);
void put(const fs::path& path, std::string_view bytes);

/// The bytes of a value as it lies in memory.
template <typename T>
std::string raw(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(T)};
}
template <typename T>
std::string raw(const T* values, std::size_t count) {
  return {reinterpret_cast<const char*>(values), count * sizeof(T)};
}

/// A file of `size` bytes that takes (almost) no space; false where the file system has no such files.
bool make_sparse(const fs::path& path, std::uint64_t size);
void put_at(const fs::path& path, std::uint64_t offset, std::string_view bytes);

/// The full data set: $LOWSHOT_FULL_DATA, else the copy beside the source tree, else nothing.
std::optional<fs::path> full_data();

}  // namespace fixtures

/// At the start of a test: leaves it, saying why, where the full data set is not there; else names its path.
#define LOWSHOT_FULL_DATA_OR_SKIP(data)                                                          \
  if (!fixtures::full_data()) GTEST_SKIP() << "the full data set is absent (LOWSHOT_FULL_DATA)"; \
  const std::filesystem::path data = *fixtures::full_data()
