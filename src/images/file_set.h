#pragma once
// Image sets made of files: what class folders, lists and JSON files come to.

#include <string_view>
#include <vector>

#include "lowshot/image_set.h"

namespace lowshot::images {

/// An image file or member above this is refused: the largest image that is read takes 512 MiB as pixels.
constexpr std::uint64_t max_file_bytes = std::uint64_t{256} << 20;

/// Does the name end as torchvision's ImageFolder wants images to? Case does not matter.
bool is_image_name(std::string_view name);

/// Names below a folder with their classes.
struct NamedFiles {
  std::string kind;  ///< for the fingerprint
  std::string description;
  std::filesystem::path root;
  std::vector<std::string> names;    ///< relative to root, or absolute
  std::vector<std::int32_t> labels;  ///< of each name; empty: all 0
  std::vector<std::string> class_names;
};
std::unique_ptr<ImageSet> make_file_set(NamedFiles files);

}  // namespace lowshot::images
