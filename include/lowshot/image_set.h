#pragma once
// Collections of image files: what `lowshot extract IMAGES` may name.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lowshot/error.h"

namespace lowshot {

/// Thrown by ImageSet::read where a part of the set with many images cannot be used (a damaged zip of the numbered
/// tree), and not one image: a job stops there instead of listing a thousand bad images.
class UnusablePart : public Error {
 public:
  explicit UnusablePart(const Error& reason) : Error(reason) {}
};

/// size() images in a fixed order. The bytes are read on demand and decoded by the caller.
class ImageSet {
 public:
  virtual ~ImageSet() = default;
  virtual std::uint64_t size() const = 0;
  /// For lists and messages: the path below the set's root, or ZIP/MEMBER. i < size().
  virtual std::string name(std::uint64_t i) const = 0;
  /// The image's class, from 0; 0 where the set has none.
  virtual std::int32_t label(std::uint64_t i) const = 0;
  /// The file's bytes; nothing where it is absent (a number without a member in its zip, a listed file that is not
  /// there). Throws Error (input) where it is there and cannot be read. Thread-safe.
  virtual std::optional<std::vector<std::byte>> read(std::uint64_t i) const = 0;
  /// Names of the classes by number; empty where the set has none.
  virtual const std::vector<std::string>& class_names() const = 0;
  /// Changes when the set does: kind, names and sizes of its files, range. A resumed job compares it.
  virtual std::string fingerprint() const = 0;
  /// For messages and plans: "800 images in 100 class folders of DIR".
  virtual std::string description() const = 0;
};

/// One folder a class; classes and files in the order of Python's sorted(). Files that are no images by their ending
/// are left out, as torchvision's ImageFolder does. A class without images keeps its number.
std::unique_ptr<ImageSet> open_class_folder(const std::filesystem::path& root);

/// A text file, a path a line (relative to the list's folder, or `root` where given), without blank lines but at its
/// end. "PATH<tab>LABEL" gives a class, to all images or none: labels that are all whole numbers are the classes'
/// numbers; others are names, numbered in the order of Python's sorted().
std::unique_ptr<ImageSet> open_image_list(const std::filesystem::path& list, const std::filesystem::path& root = {});

/// JSON with image_names and image_labels (and label_names, where it has them), names relative to `root` (default: the
/// file's folder).
std::unique_ptr<ImageSet> open_image_json(const std::filesystem::path& json, const std::filesystem::path& root = {});

/// All image members of one zip, in the order of Python's sorted(); a member's folder is its class where all have one.
std::unique_ptr<ImageSet> open_image_zip(const std::filesystem::path& zip);

/// The original's tree of numbered images: number aabbbccc is member ccc.jpg of ROOT/aa/bbb.zip; numbers i0 .. i1 - 1.
/// Zips that are absent throw Error (input) naming the first and how many, and reading from a damaged one UnusablePart,
/// unless `allow_missing_zips`: then their images are absent or cannot be read.
std::unique_ptr<ImageSet> open_numbered_zips(const std::filesystem::path& root, std::uint64_t i0, std::uint64_t i1,
                                             bool allow_missing_zips);
/// The last number + 1 that the zips of ROOT can hold, from the names of its zips; 0 without any.
std::uint64_t numbered_zips_end(const std::filesystem::path& root);

/// One of the above by what `images` is: a folder of numbered zips, a folder of class folders, .zip, .json, else a
/// list. `i0`, `i1`: rows i0 .. i1 - 1 of any set (numbers, for numbered zips).
std::unique_ptr<ImageSet> open_images(const std::filesystem::path& images, const std::filesystem::path& root = {},
                                      std::uint64_t i0 = 0, std::optional<std::uint64_t> i1 = {},
                                      bool allow_missing_zips = false);

}  // namespace lowshot
