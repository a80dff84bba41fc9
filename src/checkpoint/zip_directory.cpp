// The zip format. Source: PKWARE's APPNOTE.TXT, sections 4.3.7 (local header), 4.3.12 (directory), 4.3.14 to 4.3.16
// (its end) and 4.5.3 (sizes of 64 bits).
#include "checkpoint/zip_directory.h"
#include "checkpoint/utf8.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

#include "checkpoint/byte_source.h"

namespace lowshot::checkpoint {
namespace {

constexpr std::uint32_t local_signature = 0x04034b50, entry_signature = 0x02014b50, end_signature = 0x06054b50,
                        end64_signature = 0x06064b50, locator_signature = 0x07064b50;
constexpr std::uint64_t local_bytes = 30, entry_bytes = 46, end_bytes = 22, locator_bytes = 20, end64_bytes = 56;
constexpr std::uint32_t in_zip64 = 0xffffffff;  // a 32-bit field whose value stands in 64 bits elsewhere
constexpr const char* damaged = "the file is truncated or damaged: make or fetch it again";

struct End {
  std::uint64_t entries = 0, bytes = 0, offset = 0;
  std::uint64_t position = 0;  ///< where the end record begins: the directory ends before it
};

std::uint64_t number_at(const std::vector<std::uint8_t>& bytes, std::size_t at, unsigned width) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < width; ++i) value |= std::uint64_t{bytes[at + i]} << (8 * i);
  return value;
}

std::vector<std::uint8_t> bytes_at(const io::InputFile& file, std::uint64_t offset, std::uint64_t count) {
  std::vector<std::uint8_t> bytes(count);
  file.read_at(offset, bytes.data(), count);
  return bytes;
}

/// The end record is followed by a comment of at most 65,535 bytes, so it is looked for backwards.
End find_end(const io::InputFile& file) {
  const std::uint64_t tail_bytes = std::min<std::uint64_t>(file.size(), end_bytes + 0xffff);
  const std::uint64_t tail_begin = file.size() - tail_bytes;
  const std::vector<std::uint8_t> tail = bytes_at(file, tail_begin, tail_bytes);
  for (std::size_t at = tail_bytes >= end_bytes ? tail_bytes - end_bytes + 1 : 0; at-- > 0;) {
    if (number_at(tail, at, 4) != end_signature) continue;
    if (at + end_bytes + number_at(tail, at + 20, 2) != tail_bytes) continue;
    if (number_at(tail, at + 4, 2) != 0 && number_at(tail, at + 4, 2) != 0xffff)
      fail_at(file, tail_begin + at, "the zip file is one part of several", "join the parts first");
    return {number_at(tail, at + 10, 2), number_at(tail, at + 12, 4), number_at(tail, at + 16, 4), tail_begin + at};
  }
  file.fail("the directory at the end of the zip file is missing", damaged);
}

/// The record with 64-bit numbers, where there is one.
End widen(const io::InputFile& file, const End& end) {
  if (end.position < locator_bytes) return end;
  const std::uint64_t locator = end.position - locator_bytes;
  const std::vector<std::uint8_t> l = bytes_at(file, locator, locator_bytes);
  if (number_at(l, 0, 4) != locator_signature) return end;
  const std::uint64_t position = number_at(l, 8, 8);
  if (position > locator || locator - position < end64_bytes)
    fail_at(file, locator, fmt::format("the zip64 record is said to begin at byte {}, outside its place", position),
            damaged);
  const std::vector<std::uint8_t> r = bytes_at(file, position, end64_bytes);
  if (number_at(r, 0, 4) != end64_signature)
    fail_at(file, position, "expected the zip64 record of a zip file", damaged);
  return {number_at(r, 32, 8), number_at(r, 40, 8), number_at(r, 48, 8), position};
}

/// Nothing is unpacked under these names; PyTorch writes none like them, so the file is not what it seems.
bool is_plain(std::string_view name) {
  if (name.empty() || name.front() == '/' || name.find('\\') != std::string_view::npos ||
      name.find('\0') != std::string_view::npos)
    return false;
  for (std::size_t begin = 0; begin <= name.size();) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    if (name.substr(begin, end - begin) == "..") return false;
    begin = end + 1;
  }
  return true;
}

/// Replaces the sizes and the offset that do not fit 32 bits; in the extra field they stand in this order.
void read_zip64(const std::vector<std::uint8_t>& extra, ZipMember& member, std::uint64_t& stored) {
  for (std::size_t at = 0; at + 4 <= extra.size();) {
    const std::uint64_t id = number_at(extra, at, 2), bytes = number_at(extra, at + 2, 2);
    std::size_t field = at + 4;
    const std::size_t end = std::min<std::size_t>(field + bytes, extra.size());
    for (std::uint64_t* value : {&member.size, &stored, &member.header}) {
      if (id != 1 || *value != in_zip64 || field + 8 > end) continue;
      *value = number_at(extra, field, 8);
      field += 8;
    }
    at = at + 4 + bytes;
  }
}

std::uint32_t crc_of(const io::InputFile& file, std::uint64_t offset, std::uint64_t size) {
  // Four bytes a step; table[k] is the effect of a byte k places further on.
  static constexpr auto table = [] {
    std::array<std::array<std::uint32_t, 256>, 4> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0xedb88320u : 0u);
      t[0][i] = value;
    }
    for (std::size_t k = 1; k < 4; ++k)
      for (std::size_t i = 0; i < 256; ++i) t[k][i] = (t[k - 1][i] >> 8) ^ t[0][t[k - 1][i] & 0xff];
    return t;
  }();
  std::uint32_t crc = 0xffffffff;
  std::vector<std::uint8_t> block(std::min<std::uint64_t>(size, 1 << 20));
  for (std::uint64_t done = 0; done < size; done += block.size()) {
    block.resize(std::min<std::uint64_t>(block.size(), size - done));
    file.read_at(offset + done, block.data(), block.size());
    std::size_t i = 0;
    for (; i + 4 <= block.size(); i += 4) {
      crc ^= static_cast<std::uint32_t>(number_at(block, i, 4));
      crc = table[3][crc & 0xff] ^ table[2][crc >> 8 & 0xff] ^ table[1][crc >> 16 & 0xff] ^ table[0][crc >> 24];
    }
    for (; i < block.size(); ++i) crc = (crc >> 8) ^ table[0][(crc ^ block[i]) & 0xff];
  }
  return ~crc;
}

/// Members that share bytes would let a small file have us read it again and again.
void require_apart(const io::InputFile& file, const ZipDirectory& directory, std::uint64_t end) {
  std::vector<ZipDirectory::const_pointer> order;
  for (const auto& item : directory) order.push_back(&item);
  std::sort(order.begin(), order.end(), [](auto* a, auto* b) { return a->second.header < b->second.header; });
  for (std::size_t i = 0; i < order.size(); ++i) {
    const auto& [name, member] = *order[i];
    const std::uint64_t next = i + 1 < order.size() ? order[i + 1]->second.header : end;
    const std::uint64_t least = local_bytes + name.size() + (member.method == 0 ? member.size : 0);
    if ((member.method == 0 && member.size > file.size()) || next < member.header || least > next - member.header)
      fail_at(file, member.header,
              fmt::format("the member {} is said to have {} bytes, which do not fit between byte {} and byte {}",
                          shown(name), member.size, member.header, next),
              damaged);
  }
}

}  // namespace

ZipDirectory read_zip_directory(const io::InputFile& file) {
  const End end = widen(file, find_end(file));
  if (end.offset > end.position || end.bytes > end.position - end.offset)
    fail_at(file, end.position,
            fmt::format("the zip file's directory is said to have {} bytes at byte {}, outside its place", end.bytes,
                        end.offset),
            damaged);
  if (end.entries > end.bytes / entry_bytes)
    fail_at(file, end.position,
            fmt::format("the zip file's directory of {} bytes is said to have {} members", end.bytes, end.entries),
            damaged);
  ZipDirectory directory;
  ByteSource source(file, end.offset, end.offset + end.bytes);
  for (std::uint64_t i = 0; i < end.entries; ++i) {
    const std::uint64_t position = source.position();
    const std::string text = source.text(entry_bytes);
    const std::vector<std::uint8_t> entry(text.begin(), text.end());
    if (number_at(entry, 0, 4) != entry_signature)
      fail_at(file, position, fmt::format("expected member {} of the zip file's directory", i), damaged);
    ZipMember member;
    member.encrypted = (number_at(entry, 8, 2) & 1) != 0;
    member.method = static_cast<std::uint16_t>(number_at(entry, 10, 2));
    member.crc = static_cast<std::uint32_t>(number_at(entry, 16, 4));
    std::uint64_t stored = number_at(entry, 20, 4);
    member.size = number_at(entry, 24, 4);
    member.header = number_at(entry, 42, 4);
    const std::string name = source.text(number_at(entry, 28, 2));
    const std::string extra = source.text(number_at(entry, 30, 2));
    source.text(number_at(entry, 32, 2));  // comment
    read_zip64({extra.begin(), extra.end()}, member, stored);
    if (!is_plain(name))
      fail_at(file, position, fmt::format("a member of the zip file has the name {}", shown(name)),
              "PyTorch writes no such names; make or fetch the file again");
    if (member.method == 0 && stored != member.size)
      fail_at(file, position,
              fmt::format("the member {} has {} bytes and {} are stored", shown(name), member.size, stored), damaged);
    if (!directory.emplace(name, member).second)
      fail_at(file, position, fmt::format("the zip file has two members {}", shown(name)), damaged);
  }
  require_apart(file, directory, end.offset);
  return directory;
}

std::uint64_t locate_member(const io::InputFile& file, const std::string& name, const ZipMember& member) {
  const std::string quoted = shown(name);
  if (member.encrypted) fail_at(file, member.header, fmt::format("the member {} is encrypted", quoted));
  if (member.method != 0)
    fail_at(file, member.header,
            fmt::format("the member {} is compressed (method {}); PyTorch stores members as they are", quoted,
                        member.method),
            "save the checkpoint again, or zip it anew without compression (zip -0)");
  if (member.header > file.size() || file.size() - member.header < local_bytes)
    fail_at(file, member.header, fmt::format("the member {} is said to begin here, beyond the file's end", quoted),
            damaged);
  const std::vector<std::uint8_t> local = bytes_at(file, member.header, local_bytes);
  const std::uint64_t name_bytes = number_at(local, 26, 2), extra_bytes = number_at(local, 28, 2);
  if (number_at(local, 0, 4) != local_signature || name_bytes != name.size() || number_at(local, 8, 2) != 0)
    fail_at(file, member.header, fmt::format("expected the header of the member {}", quoted), damaged);
  const std::uint64_t begin = member.header + local_bytes + name_bytes + extra_bytes;
  if (begin > file.size() || member.size > file.size() - begin)
    fail_at(file, member.header,
            fmt::format("the member {} is said to have {} bytes, which the file of {} does not hold", quoted,
                        member.size, file.size()),
            damaged);
  if (ByteSource(file, member.header + local_bytes, begin).text(name_bytes) != name)
    fail_at(file, member.header, fmt::format("expected the header of the member {}", quoted), damaged);
  const std::uint32_t crc = crc_of(file, begin, member.size);
  if (crc != member.crc)
    fail_at(file, begin,
            fmt::format("the member {} has the checksum {:08x}, the directory says {:08x}", quoted, crc, member.crc),
            damaged);
  return begin;
}

}  // namespace lowshot::checkpoint
