#include "images/file_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <system_error>

#include "io/input_file.h"
#include "io/text_table.h"
#include "lowshot/io.h"

namespace lowshot::images {
namespace {

class FileSet : public ImageSet {
 public:
  explicit FileSet(NamedFiles files) : files_(std::move(files)) {}

  std::uint64_t size() const override { return files_.names.size(); }
  std::string name(std::uint64_t i) const override { return files_.names[i]; }
  std::int32_t label(std::uint64_t i) const override { return files_.labels.empty() ? 0 : files_.labels[i]; }
  const std::vector<std::string>& class_names() const override { return files_.class_names; }
  std::string description() const override { return files_.description; }

  std::optional<std::vector<std::byte>> read(std::uint64_t i) const override {
    const fs::path path = files_.root / files_.names[i];
    std::error_code error;
    if (fs::status(path, error).type() == fs::file_type::not_found) return {};
    const io::InputFile file(path);
    if (file.size() > max_file_bytes) {
      file.fail(fmt::format("the image file has {} bytes, and at most {} are read", file.size(), max_file_bytes),
                "leave it out");
    }
    std::vector<std::byte> bytes(file.size());
    file.read_at(0, bytes.data(), bytes.size());
    return bytes;
  }

  std::string fingerprint() const override {
    // Names may hold any byte but NUL, so NUL ends them.
    std::string text = files_.kind + '\0';
    for (const std::string& name : files_.class_names) text += name + '\0';
    for (std::uint64_t i = 0; i < size(); ++i) {
      std::error_code error;
      const std::uintmax_t bytes = fs::file_size(files_.root / files_.names[i], error);
      text += fmt::format("{}{}{} {}", files_.names[i], '\0', label(i), error ? "absent" : std::to_string(bytes));
    }
    return hash_text(text);
  }

 private:
  NamedFiles files_;
};

}  // namespace

bool is_image_name(std::string_view name) {
  constexpr std::array<std::string_view, 9> endings{".jpg", ".jpeg", ".png",  ".ppm", ".bmp",
                                                    ".pgm", ".tif",  ".tiff", ".webp"};
  return std::any_of(endings.begin(), endings.end(), [&](std::string_view ending) {
    return name.size() >= ending.size() && io::equal_ignoring_case(name.substr(name.size() - ending.size()), ending);
  });
}

std::unique_ptr<ImageSet> make_file_set(NamedFiles files) {
  return std::make_unique<FileSet>(std::move(files));
}

}  // namespace lowshot::images
