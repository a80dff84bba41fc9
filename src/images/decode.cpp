// Which decoder reads a file: told by its first bytes.
#include "images/decode.h"

#include <fmt/format.h>

#include <array>
#include <string_view>

namespace lowshot {
namespace {

using namespace std::string_view_literals;

struct Signature {
  std::string_view format;
  std::string_view begin;
  std::size_t offset = 0;
};

constexpr std::array read_formats{Signature{"JPEG", "\xff\xd8\xff"sv}, Signature{"PNG", "\x89PNG\r\n\x1a\n"sv}};

// Formats that people have, so that the reason for a refusal has a name.
constexpr std::array other_formats{
    Signature{"GIF", "GIF8"sv},        Signature{"WebP", "WEBP"sv, 8},      Signature{"BMP", "BM"sv},
    Signature{"TIFF", "II*\0"sv},      Signature{"TIFF", "MM\0*"sv},        Signature{"PPM", "P6"sv},
    Signature{"PGM", "P5"sv},          Signature{"JPEG 2000", "jP  "sv, 4}, Signature{"AVIF", "ftypavif"sv, 4},
    Signature{"HEIC", "ftyphei"sv, 4}, Signature{"MP4", "ftyp"sv, 4}};

bool is(const Signature& signature, std::string_view bytes) {
  return bytes.size() >= signature.offset && bytes.substr(signature.offset, signature.begin.size()) == signature.begin;
}

}  // namespace

namespace images {

void refuse(const std::string& reason) {
  throw Error(ErrorKind::input, reason);
}

void check_size(std::uint64_t width, std::uint64_t height) {
  if (width == 0 || height == 0) refuse(fmt::format("the image has no pixels ({} x {})", width, height));
  // Widths and heights of the formats have at most 32 bits, so the product cannot overflow.
  if (width * height <= max_pixels) return;
  refuse(fmt::format("the image is announced as {} x {}, and at most {} pixels are read", width, height, max_pixels));
}

}  // namespace images

std::vector<std::string> image_formats() {
  std::vector<std::string> names;
  for (const Signature& s : read_formats) names.emplace_back(s.format);
  return names;
}

Image decode_image(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (text.empty()) images::refuse("the file is empty");
  if (is(read_formats[0], text)) return images::decode_jpeg(bytes);
  if (is(read_formats[1], text)) return images::decode_png(bytes);
  for (const Signature& s : other_formats) {
    if (is(s, text))
      images::refuse(fmt::format("{} files are not read, only {}", s.format, fmt::join(image_formats(), " and ")));
  }
  images::refuse(fmt::format("the file is no image of a known format ({})", fmt::join(image_formats(), ", ")));
}

}  // namespace lowshot
