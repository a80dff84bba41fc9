#include "oracle/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace fixtures {

TemporaryDirectory::TemporaryDirectory() {
  std::string name = (fs::temp_directory_path() / "lowshot-test-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary directory");
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

std::size_t TemporaryDirectory::files() const {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(path_), fs::directory_iterator()));
}

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

void put(const fs::path& path, std::string_view bytes) {
  fs::remove(path);  // a file that is cut to nothing and written anew is flushed to disk at its close by ext4
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  if (!file.flush()) throw std::runtime_error("cannot write " + path.string());
}

bool make_sparse(const fs::path& path, std::uint64_t size) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
  struct stat status = {};
  const bool made = file >= 0 && ::ftruncate(file, static_cast<off_t>(size)) == 0 && ::fstat(file, &status) == 0 &&
                    status.st_blocks < 1000;
  if (file >= 0) ::close(file);
  return made;
}

void put_at(const fs::path& path, std::uint64_t offset, std::string_view bytes) {
  const int file = ::open(path.c_str(), O_WRONLY);
  const ssize_t put = ::pwrite(file, bytes.data(), bytes.size(), static_cast<off_t>(offset));
  ::close(file);
  if (put != static_cast<ssize_t>(bytes.size())) throw std::runtime_error("cannot write " + path.string());
}

std::optional<fs::path> full_data() {
  const char* named = std::getenv("LOWSHOT_FULL_DATA");
  const fs::path path =
      named != nullptr ? fs::path(named) : fs::path(LOWSHOT_SOURCE_DIR).parent_path() / "shared/data/lowshot-cifar";
  if (!fs::exists(path / "label_idx.json")) return {};
  return path;
}

}  // namespace fixtures
