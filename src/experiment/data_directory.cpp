#include "lowshot/data_directory.h"

#include <unistd.h>

#include <utility>

#include "lowshot/error.h"

namespace lowshot {

namespace fs = std::filesystem;

DataDirectory::DataDirectory(fs::path root_directory, fs::path work_directory)
    : root(std::move(root_directory)), work(std::move(work_directory)) {
  if (root.empty())
    throw Error(ErrorKind::usage, "no data directory is given", "", "name one with --data DIR or in the variable DDIR");
  if (!fs::is_directory(root))
    throw Error(ErrorKind::input, "the data directory does not exist", root.string(), "check --data (or DDIR)");
  if (work.empty()) work = root;
}

std::vector<fs::path> DataDirectory::blocks() const {
  std::vector<fs::path> paths;
  for (std::size_t i = 0;; ++i) {
    fs::path path = root / "features/f100m" / ("block" + std::to_string(i) + ".hdf5");
    if (!fs::exists(path)) return paths;
    paths.push_back(std::move(path));
  }
}

fs::path DataDirectory::index(std::uint64_t rows) const {
  return root / "knngraph" / ("ndis" + std::to_string(rows) + ".index");
}

fs::path DataDirectory::knn_prefix(std::uint64_t rows) {
  return fs::path("knngraph") / ("ndis" + std::to_string(rows));
}

std::optional<fs::path> DataDirectory::find(const fs::path& name) const {
  for (const fs::path& directory : {root, work})
    if (fs::exists(directory / name)) return directory / name;
  return {};
}

std::optional<fs::path> DataDirectory::place(const fs::path& name) const {
  const fs::path path = work / name;
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  if (error || access(path.parent_path().c_str(), W_OK) != 0) return {};
  return path;
}

}  // namespace lowshot
