// One folder a class, in the order of torchvision's ImageFolder: classes by name; within a class the folders by their
// paths, within a folder the files by name, all compared byte by byte (Python compares code points; in UTF-8 that is
// the same). Links to folders are followed, as there.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "images/file_set.h"
#include "lowshot/error.h"

namespace lowshot {
namespace {

namespace fs = std::filesystem;

struct Folder {
  std::string name;  // below the set's root
  std::vector<std::string> files;
};

/// Which folder it is, whatever the path it was reached by.
struct Identity {
  dev_t device;
  ino_t node;
  bool operator==(const Identity&) const = default;
};

class Walk {
 public:
  explicit Walk(const fs::path& root) : root_(root) {}

  std::vector<std::string> folders_of_root() const {
    std::vector<std::string> names;
    for (const fs::directory_entry& entry : entries("")) {
      if (is_folder(entry)) names.push_back(entry.path().filename().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }

  /// The folder `name` and all below it, in no order, appended to `folders`.
  void collect(const std::string& name, std::vector<Folder>& folders) {
    const Identity identity = identify(name);
    if (std::find(above_.begin(), above_.end(), identity) != above_.end()) {
      throw Error(ErrorKind::input, "a link leads back to a folder above it", (root_ / name).string(),
                  "remove the link");
    }
    above_.push_back(identity);
    Folder folder{name, {}};
    std::vector<std::string> below;
    for (const fs::directory_entry& entry : entries(name)) {
      std::string file = entry.path().filename().string();
      if (is_folder(entry)) {
        below.push_back(name + "/" + file);
      } else if (images::is_image_name(file)) {
        folder.files.push_back(std::move(file));
      }
    }
    std::sort(folder.files.begin(), folder.files.end());
    folders.push_back(std::move(folder));
    for (const std::string& next : below) collect(next, folders);
    above_.pop_back();
  }

 private:
  static bool is_folder(const fs::directory_entry& entry) {
    std::error_code error;  // a link to nowhere is no folder
    return entry.is_directory(error);
  }

  std::vector<fs::directory_entry> entries(const std::string& name) const {
    std::vector<fs::directory_entry> found;
    std::error_code error;
    for (fs::directory_iterator at(root_ / name, error), end; !error && at != end; at.increment(error)) {
      found.push_back(*at);
    }
    if (error) fail(name, error.message());
    return found;
  }

  Identity identify(const std::string& name) const {
    struct stat status = {};
    if (::stat((root_ / name).c_str(), &status) != 0) fail(name, std::strerror(errno));
    return {status.st_dev, status.st_ino};
  }

  [[noreturn]] void fail(const std::string& name, const std::string& reason) const {
    throw Error(ErrorKind::input, fmt::format("cannot read a folder: {}", reason),
                name.empty() ? root_.string() : (root_ / name).string(), "check the path and its permissions");
  }

  fs::path root_;
  std::vector<Identity> above_;
};

}  // namespace

std::unique_ptr<ImageSet> open_class_folder(const fs::path& root) {
  images::NamedFiles set;
  set.kind = "class folder";
  set.root = root;
  Walk walk(root);
  set.class_names = walk.folders_of_root();
  for (std::size_t c = 0; c < set.class_names.size(); ++c) {
    std::vector<Folder> folders;
    walk.collect(set.class_names[c], folders);
    std::sort(folders.begin(), folders.end(), [](const Folder& a, const Folder& b) { return a.name < b.name; });
    for (const Folder& folder : folders) {
      for (const std::string& file : folder.files) {
        set.names.push_back(folder.name + "/" + file);
        set.labels.push_back(static_cast<std::int32_t>(c));
      }
    }
  }
  if (set.names.empty()) {
    throw Error(ErrorKind::input,
                fmt::format("expected a folder for each class with its images and found {} folders without images",
                            set.class_names.size()),
                root.string(), "move the images into folders, or name a text file that lists them");
  }
  set.description =
      fmt::format("{} images in {} class folders of {}", set.names.size(), set.class_names.size(), root.string());
  return images::make_file_set(std::move(set));
}

}  // namespace lowshot
