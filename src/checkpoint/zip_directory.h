#pragma once
// Where the members of a zip file lie, for files whose members are stored and not compressed, as PyTorch's checkpoints
// are. (Archives of images, which may be compressed, go through libzip: src/archive.)

#include <cstdint>
#include <map>
#include <string>

#include "io/input_file.h"

namespace lowshot::checkpoint {

struct ZipMember {
  std::uint64_t header = 0;  ///< where its local header begins
  std::uint64_t size = 0;
  std::uint32_t crc = 0;
  std::uint16_t method = 0;  ///< 0: stored
  bool encrypted = false;
};
using ZipDirectory = std::map<std::string, ZipMember>;

/// Reads the directory at the end of the file, zip64 included. Throws Error (input) naming the byte: no directory, one
/// that lies outside the file, names that appear twice or lead out of a folder, members that overlap.
ZipDirectory read_zip_directory(const io::InputFile& file);

/// Where the bytes of a member begin; all `member.size` of them are in the file. Throws Error (input) for members that
/// are compressed or encrypted, and where the header before the bytes is not the member's or the checksum is wrong.
std::uint64_t locate_member(const io::InputFile& file, const std::string& name, const ZipMember& member);

}  // namespace lowshot::checkpoint
