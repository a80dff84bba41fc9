#include "oracle/zip_files.h"

#include <zlib.h>

#include "oracle/files.h"

namespace fixtures {
namespace {

std::string packed(const std::string& content, int window_bits) {
  z_stream stream = {};
  deflateInit2(&stream, 9, Z_DEFLATED, window_bits, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, content.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::uint32_t crc_of(const std::string& bytes) {
  return static_cast<std::uint32_t>(
      crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
}

std::string big_endian(std::uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(value >> shift));
  return bytes;
}

std::string u16(std::uint64_t value) {
  return raw(static_cast<std::uint16_t>(value));
}
std::string u32(std::uint64_t value) {
  return raw(static_cast<std::uint32_t>(value));
}

}  // namespace

std::string zip_file(const std::vector<ZipMember>& members) {
  std::string file, list;
  for (const ZipMember& m : members) {
    const std::string body = m.deflated ? packed(m.content, -MAX_WBITS) : m.content;
    const std::string entry = u16(20) + u16(m.flags) + u16(m.claimed_method.value_or(m.deflated ? 8 : 0)) + u16(0) +
                              u16(0x21) + u32(m.claimed_crc.value_or(crc_of(m.content))) +
                              u32(m.claimed_packed.value_or(static_cast<std::uint32_t>(body.size()))) +
                              u32(m.claimed_size.value_or(static_cast<std::uint32_t>(m.content.size()))) +
                              u16(m.name.size()) + u16(0);
    list += u32(0x02014b50) + u16(20) + entry + u16(0) + u16(0) + u16(0) + u32(0) + u32(file.size()) + m.name;
    file += u32(0x04034b50) + entry + m.name + body;
  }
  return file + list + u32(0x06054b50) + u16(0) + u16(0) + u16(members.size()) + u16(members.size()) +
         u32(list.size()) + u32(file.size()) + u16(0);
}

std::string png_chunk(const std::string& kind, const std::string& content) {
  return big_endian(static_cast<std::uint32_t>(content.size())) + kind + content + big_endian(crc_of(kind + content));
}

std::string png_file(std::uint32_t width, std::uint32_t height, std::uint8_t red, std::uint8_t green,
                     std::uint8_t blue) {
  std::string row(1, '\0');
  for (std::uint32_t x = 0; x < width; ++x) {
    for (const std::uint8_t value : {red, green, blue}) row.push_back(static_cast<char>(value));
  }
  std::string rows;
  for (std::uint32_t y = 0; y < height; ++y) rows += row;
  const std::string header = big_endian(width) + big_endian(height) + std::string("\x08\x02\0\0\0", 5);
  return "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", header) + png_chunk("IDAT", packed(rows, MAX_WBITS)) +
         png_chunk("IEND", "");
}

}  // namespace fixtures
