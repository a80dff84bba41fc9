// Which kind of set a path names, and rows i0 .. i1 - 1 of a set.
#include <fmt/format.h>

#include <system_error>

#include "io/text_table.h"
#include "lowshot/error.h"
#include "lowshot/image_set.h"
#include "lowshot/io.h"

namespace lowshot {
namespace {

class Range : public ImageSet {
 public:
  Range(std::unique_ptr<ImageSet> whole, std::uint64_t i0, std::uint64_t i1)
      : whole_(std::move(whole)), i0_(i0), i1_(i1) {}

  std::uint64_t size() const override { return i1_ - i0_; }
  std::string name(std::uint64_t i) const override { return whole_->name(i0_ + i); }
  std::int32_t label(std::uint64_t i) const override { return whole_->label(i0_ + i); }
  std::optional<std::vector<std::byte>> read(std::uint64_t i) const override { return whole_->read(i0_ + i); }
  const std::vector<std::string>& class_names() const override { return whole_->class_names(); }
  std::string fingerprint() const override {
    return hash_text(fmt::format("rows {} to {} of {}", i0_, i1_, whole_->fingerprint()));
  }
  std::string description() const override {
    return fmt::format("rows {} to {} of {}", i0_, i1_ - 1, whole_->description());
  }

 private:
  std::unique_ptr<ImageSet> whole_;
  std::uint64_t i0_, i1_;
};

}  // namespace

std::unique_ptr<ImageSet> open_images(const fs::path& images, const fs::path& root, std::uint64_t i0,
                                      std::optional<std::uint64_t> i1, bool allow_missing_zips) {
  std::error_code error;
  const fs::file_type type = fs::status(images, error).type();
  if (type == fs::file_type::not_found) {
    throw Error(ErrorKind::input, "the images are not there", images.string(), "check the path");
  }
  const std::string ending = images.extension().string();
  const bool json = io::equal_ignoring_case(ending, ".json"), zip = io::equal_ignoring_case(ending, ".zip");
  if (!root.empty() && (type == fs::file_type::directory || zip)) {
    throw Error(ErrorKind::usage, "a root folder is for lists and JSON files", images.string(), "leave it out");
  }
  std::unique_ptr<ImageSet> set;
  if (type == fs::file_type::directory) {
    const std::uint64_t end = numbered_zips_end(images);
    if (end != 0) return open_numbered_zips(images, i0, i1.value_or(end), allow_missing_zips);
    set = open_class_folder(images);
  } else {
    set = zip ? open_image_zip(images) : json ? open_image_json(images, root) : open_image_list(images, root);
  }
  if (i0 == 0 && i1.value_or(set->size()) == set->size()) return set;
  if (i0 >= i1.value_or(set->size()) || i1.value_or(0) > set->size()) {
    throw Error(ErrorKind::usage,
                fmt::format("the rows {} to {} (the end not among them) are no range within 0 to {}", i0,
                            i1.value_or(set->size()), set->size()),
                "--i0, --i1", fmt::format("the set: {}", set->description()));
  }
  const std::uint64_t end = i1.value_or(set->size());
  return std::make_unique<Range>(std::move(set), i0, end);
}

}  // namespace lowshot
