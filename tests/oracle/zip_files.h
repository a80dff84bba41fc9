#pragma once
// Zip files byte by byte, good ones and ones that lie.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace fixtures {

struct ZipMember {
  std::string name;
  std::string content;
  bool deflated = false;
  // What the entry says instead of the truth.
  std::optional<std::uint32_t> claimed_size = {}, claimed_packed = {}, claimed_crc = {};
  std::uint16_t flags = 0;
  std::optional<std::uint16_t> claimed_method = {};
};

/// The file's bytes: the members, their list, its end.
std::string zip_file(const std::vector<ZipMember>& members);

/// A PNG file of width x height RGB pixels of one colour.
std::string png_file(std::uint32_t width, std::uint32_t height, std::uint8_t red, std::uint8_t green,
                     std::uint8_t blue);
/// A chunk of a PNG file: length, kind, content, checksum.
std::string png_chunk(const std::string& kind, const std::string& content);

}  // namespace fixtures
