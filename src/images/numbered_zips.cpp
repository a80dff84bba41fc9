// The original's 100 million images: number aabbbccc is member ccc.jpg of ROOT/aa/bbb.zip. Numbers without a member
// are its videos. Opening a set looks at the zips' sizes alone; zips are opened when they are read.
#include <fmt/format.h>

#include <algorithm>
#include <list>
#include <mutex>
#include <system_error>

#include "archive/zip_archive.h"
#include "images/file_set.h"
#include "lowshot/error.h"
#include "lowshot/io.h"

namespace lowshot {
namespace {

constexpr std::uint64_t zip_images = 1000, folder_zips = 1000, folders = 100;
constexpr std::uint64_t all_images = folders * folder_zips * zip_images;

std::string zip_name(std::uint64_t zip) {
  return fmt::format("{:02}/{:03}.zip", zip / folder_zips, zip % folder_zips);
}
std::string member_name(std::uint64_t number) {
  return fmt::format("{:03}.jpg", number % zip_images);
}

/// Threads read a few neighbouring zips at a time; each open one holds a file and its list of 1,000 members.
class OpenZips {
 public:
  explicit OpenZips(fs::path root) : root_(std::move(root)) {}

  std::shared_ptr<const archive::ZipArchive> get(std::uint64_t zip) {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(open_.begin(), open_.end(), [&](const Open& o) { return o.zip == zip; });
    if (found != open_.end()) {
      open_.splice(open_.begin(), open_, found);
    } else {
      open_.push_front({zip, std::make_shared<const archive::ZipArchive>(root_ / zip_name(zip))});
      if (open_.size() > most_) open_.pop_back();
    }
    return open_.front().archive;
  }

 private:
  static constexpr std::size_t most_ = 16;
  struct Open {
    std::uint64_t zip;
    std::shared_ptr<const archive::ZipArchive> archive;
  };

  fs::path root_;
  std::mutex mutex_;
  std::list<Open> open_;  // last used first
};

class NumberedZips : public ImageSet {
 public:
  NumberedZips(const fs::path& root, std::uint64_t i0, std::uint64_t i1, bool allow_missing_zips)
      : root_(root),
        i0_(i0),
        i1_(i1),
        first_zip_(i0 / zip_images),
        allow_missing_zips_(allow_missing_zips),
        zips_(root) {
    const std::uint64_t end = (i1 + zip_images - 1) / zip_images;
    std::uint64_t missing = 0, first_missing = 0;
    for (std::uint64_t zip = first_zip_; zip < end; ++zip) {
      std::error_code error;
      const std::uintmax_t bytes = fs::file_size(root / zip_name(zip), error);
      sizes_.push_back(error ? absent : bytes);
      if (error && missing++ == 0) first_missing = zip;
    }
    if (missing == 0 || allow_missing_zips) return;
    throw Error(ErrorKind::input,
                fmt::format("{} of the {} zips of images {} to {} are absent, the first {}", missing, sizes_.size(), i0,
                            i1 - 1, zip_name(first_missing)),
                root.string(), "fetch them, choose another range, or allow missing zips");
  }

  std::uint64_t size() const override { return i1_ - i0_; }
  std::string name(std::uint64_t i) const override {
    return zip_name((i0_ + i) / zip_images) + "/" + member_name(i0_ + i);
  }
  std::int32_t label(std::uint64_t) const override { return 0; }
  const std::vector<std::string>& class_names() const override { return no_classes_; }

  std::optional<std::vector<std::byte>> read(std::uint64_t i) const override {
    const std::uint64_t zip = (i0_ + i) / zip_images;
    if (sizes_[zip - first_zip_] == absent) return {};
    const auto archive = open(zip);
    const auto place = archive->find(member_name(i0_ + i));
    if (!place) return {};
    return archive->read(*place, images::max_file_bytes);
  }

  std::string fingerprint() const override {
    std::string text = fmt::format("numbered zips {} {}", i0_, i1_);
    for (const std::uint64_t bytes : sizes_) text += bytes == absent ? " absent" : fmt::format(" {}", bytes);
    return hash_text(text);
  }

  std::string description() const override {
    return fmt::format("images {} to {} of the {} zips {} to {} in {}", i0_, i1_ - 1, sizes_.size(),
                       zip_name(first_zip_), zip_name(first_zip_ + sizes_.size() - 1), root_.string());
  }

 private:
  static constexpr std::uint64_t absent = UINT64_MAX;

  std::shared_ptr<const archive::ZipArchive> open(std::uint64_t zip) const {
    if (allow_missing_zips_) return zips_.get(zip);
    try {
      return zips_.get(zip);
    } catch (const Error& e) {
      throw UnusablePart(e);
    }
  }

  fs::path root_;
  std::uint64_t i0_, i1_, first_zip_;
  bool allow_missing_zips_;
  std::vector<std::uint64_t> sizes_;  // of each zip of the range, or absent
  std::vector<std::string> no_classes_;
  mutable OpenZips zips_;
};

/// The number that `text` is, where it has exactly `digits` digits.
std::optional<std::uint64_t> number(const std::string& text, std::size_t digits) {
  if (text.size() != digits || !std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return {};
  return std::stoull(text);
}

}  // namespace

std::unique_ptr<ImageSet> open_numbered_zips(const fs::path& root, std::uint64_t i0, std::uint64_t i1,
                                             bool allow_missing_zips) {
  if (i0 >= i1 || i1 > all_images) {
    throw Error(
        ErrorKind::usage,
        fmt::format("the images {} to {} (the end not among them) are no range within 0 to {}", i0, i1, all_images),
        "--i0, --i1", "choose a range with at least one image");
  }
  return std::make_unique<NumberedZips>(root, i0, i1, allow_missing_zips);
}

std::uint64_t numbered_zips_end(const fs::path& root) {
  for (std::uint64_t folder = folders; folder-- > 0;) {
    std::uint64_t end = 0;
    std::error_code error;
    for (fs::directory_iterator at(root / fmt::format("{:02}", folder), error), none; !error && at != none;
         at.increment(error)) {
      if (at->path().extension() != ".zip") continue;
      const auto zip = number(at->path().stem().string(), 3);
      if (zip) end = std::max(end, (folder * folder_zips + *zip + 1) * zip_images);
    }
    if (end != 0) return end;
  }
  return 0;
}

}  // namespace lowshot
