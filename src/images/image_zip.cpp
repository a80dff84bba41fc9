// The images of one zip.
#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "archive/zip_archive.h"
#include "images/file_set.h"
#include "lowshot/error.h"
#include "lowshot/io.h"

namespace lowshot {
namespace {

class ZipSet : public ImageSet {
 public:
  explicit ZipSet(const fs::path& path) : archive_(path), path_(path) {
    for (std::uint64_t i = 0; i < archive_.size(); ++i) {
      archive::ZipArchive::Member member = archive_.member(i);
      // What macOS adds: "__MACOSX/._dog.jpg" holds a file's attributes and is no image.
      if (member.folder || !images::is_image_name(member.name) || member.name.rfind("__MACOSX/", 0) == 0) continue;
      archive::check_member_name(member.name, path.string());
      entries_.push_back({std::move(member), i, 0});
    }
    if (entries_.empty()) {
      throw Error(ErrorKind::input,
                  fmt::format("none of the zip's {} members is an image by its ending", archive_.size()), path.string(),
                  "name a zip of .jpg or .png files");
    }
    std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) {
      return std::tie(a.member.name, a.place) < std::tie(b.member.name, b.place);
    });
    find_classes();
  }

  std::uint64_t size() const override { return entries_.size(); }
  std::string name(std::uint64_t i) const override { return path_.filename().string() + "/" + entries_[i].member.name; }
  std::int32_t label(std::uint64_t i) const override { return entries_[i].label; }
  const std::vector<std::string>& class_names() const override { return class_names_; }

  std::optional<std::vector<std::byte>> read(std::uint64_t i) const override {
    return archive_.read(entries_[i].place, images::max_file_bytes);
  }

  std::string fingerprint() const override {
    std::string text = "zip";
    for (const Entry& e : entries_)
      text += fmt::format("{}{}{} {:08x}", '\0', e.member.name, e.member.bytes, e.member.crc);
    return hash_text(text);
  }

  std::string description() const override { return fmt::format("{} images of {}", size(), path_.string()); }

 private:
  struct Entry {
    archive::ZipArchive::Member member;
    std::uint64_t place;  // in the zip
    std::int32_t label;
  };

  static std::string folder(const Entry& entry) {
    const std::size_t slash = entry.member.name.rfind('/');
    return slash == std::string::npos ? "" : entry.member.name.substr(0, slash);
  }

  void find_classes() {
    for (const Entry& e : entries_) class_names_.push_back(folder(e));
    std::sort(class_names_.begin(), class_names_.end());
    class_names_.erase(std::unique(class_names_.begin(), class_names_.end()), class_names_.end());
    if (class_names_.front().empty()) {  // an image without a folder
      class_names_.clear();
      return;
    }
    for (Entry& e : entries_) {
      const auto at = std::lower_bound(class_names_.begin(), class_names_.end(), folder(e));
      e.label = static_cast<std::int32_t>(at - class_names_.begin());
    }
  }

  archive::ZipArchive archive_;
  fs::path path_;
  std::vector<Entry> entries_;
  std::vector<std::string> class_names_;
};

}  // namespace

std::unique_ptr<ImageSet> open_image_zip(const fs::path& zip) {
  return std::make_unique<ZipSet>(zip);
}

}  // namespace lowshot
