#pragma once
// A zip file whose members are read whole.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lowshot::archive {

/// Thread-safe: a lock each archive, so threads that share one take turns reading and inflating.
class ZipArchive {
 public:
  /// Throws Error (input) where `path` is absent or no zip, or its list of members is damaged. Holds the list in
  /// memory (it is no larger than a few times the file).
  explicit ZipArchive(const std::filesystem::path& path);
  ~ZipArchive();
  ZipArchive(ZipArchive&&) noexcept;

  struct Member {
    std::string name;         ///< as it stands in the zip; nothing makes a path of it
    std::uint64_t bytes = 0;  ///< unpacked, as the zip claims
    std::uint32_t crc = 0;    ///< as the zip claims
    bool folder = false;
  };
  std::uint64_t size() const;
  Member member(std::uint64_t i) const;  ///< i < size()
  std::optional<std::uint64_t> find(std::string_view name) const;

  /// Throws Error (input) naming zip and member: encrypted, packed by another method than deflate, more than `limit`
  /// bytes, a size that its packed bytes cannot hold, a wrong checksum. Allocates the member's size once that has been
  /// checked against the file.
  std::vector<std::byte> read(std::uint64_t i, std::uint64_t limit) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Throws Error (input) unless `name` is what a zip's member should be called: parts between single slashes, none of
/// them "..", none of them with backslashes or control characters. `where`: for the message.
void check_member_name(std::string_view name, const std::string& where);

}  // namespace lowshot::archive
