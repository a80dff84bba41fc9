// Which files the descriptors are in: files, folders and globs as they were named, each resolved to files in natural
// order.
#include <fmt/format.h>
#include <glob.h>

#include <algorithm>
#include <array>
#include <set>

#include "label/natural_order.h"
#include "label/parquet.h"
#include "lowshot/error.h"
#include "lowshot/label.h"

namespace lowshot {
namespace {

namespace fs = std::filesystem;

constexpr std::array<std::string_view, 4> endings = {".npy", ".hdf5", ".h5", ".raw"};

bool holds_descriptors(const fs::path& path) {
  return std::find(endings.begin(), endings.end(), path.extension().string()) != endings.end();
}

void sort_naturally(std::vector<fs::path>& paths) {
  std::sort(paths.begin(), paths.end(),
            [](const fs::path& a, const fs::path& b) { return label::natural_less(a.native(), b.native()); });
}

/// The folder's own files, not those of folders within. Hidden files are left out: outputs grow under such names.
std::vector<fs::path> files_of(const fs::path& folder) {
  std::vector<fs::path> files, parquet;
  std::error_code problem;
  for (auto entry = fs::directory_iterator(folder, problem); !problem && entry != fs::directory_iterator();
       entry.increment(problem)) {
    std::error_code ignored;
    if (entry->path().filename().native().front() == '.' || !entry->is_regular_file(ignored)) continue;
    if (holds_descriptors(entry->path())) files.push_back(entry->path());
    if (entry->path().extension() == ".parquet") parquet.push_back(entry->path());
  }
  if (problem) {
    throw Error(ErrorKind::input, fmt::format("a folder cannot be read: {}", problem.message()), folder.string(),
                "check its permissions");
  }
  if (files.empty() && !parquet.empty()) {
    sort_naturally(parquet);
    label::refuse_parquet(parquet.front(), label::ParquetUse::descriptors);
  }
  if (files.empty()) {
    throw Error(ErrorKind::input, "the folder holds no files of descriptors (.npy, .hdf5, .h5 or .raw)",
                folder.string(), "name the files, or a glob in quotes");
  }
  sort_naturally(files);
  return files;
}

std::vector<fs::path> matches_of(const std::string& pattern) {
  glob_t found = {};
  const int status = ::glob(pattern.c_str(), GLOB_NOSORT, nullptr, &found);
  std::vector<fs::path> matches(found.gl_pathv, found.gl_pathv + (status == 0 ? found.gl_pathc : 0));
  ::globfree(&found);
  if (status != 0 && status != GLOB_NOMATCH) {
    throw Error(ErrorKind::resources, "the folders of a glob cannot be searched", pattern);
  }
  if (matches.empty()) {
    throw Error(ErrorKind::input, "no file matches the glob", pattern, "check the path, or list the folder with ls");
  }
  sort_naturally(matches);
  return matches;
}

}  // namespace

std::vector<fs::path> find_shards(const std::vector<std::string>& arguments) {
  std::vector<fs::path> shards;
  const auto add = [&](const fs::path& path) {
    std::error_code ignored;
    if (fs::is_directory(path, ignored)) {
      const std::vector<fs::path> files = files_of(path);
      shards.insert(shards.end(), files.begin(), files.end());
    } else {
      label::refuse_parquet(path, label::ParquetUse::descriptors);
      shards.push_back(path);
    }
  };
  for (const std::string& argument : arguments) {
    std::error_code ignored;
    if (fs::exists(argument, ignored)) {
      add(argument);
    } else if (argument.find_first_of("*?[") != std::string::npos) {
      for (const fs::path& path : matches_of(argument)) add(path);
    } else {
      throw Error(ErrorKind::input, "there is no such file or folder of descriptors", argument, "check the path");
    }
  }
  if (shards.empty()) {
    throw Error(ErrorKind::usage, "at least one file of descriptors is needed", {}, "name files, folders or globs");
  }
  std::set<fs::path> seen;
  for (const fs::path& shard : shards) {
    std::error_code ignored;
    const fs::path resolved = fs::weakly_canonical(shard, ignored);
    if (seen.insert(resolved.empty() ? shard : resolved).second) continue;
    throw Error(ErrorKind::input, "a file of descriptors is named twice", shard.string(),
                "name every file once; a folder or glob may hold it already");
  }
  return shards;
}

}  // namespace lowshot
