#pragma once
// The finished parts of a job, OUT.parts: for part i the rows (npy) and a note (JSON) with their checksum and the bad
// images among them. The note is written last, so a part without one does not count.

#include <cstdint>
#include <filesystem>
#include <vector>

#include "io/folder_lock.h"
#include "lowshot/extract.h"
#include "lowshot/io.h"

namespace lowshot::extract_detail {

class Parts {
 public:
  /// Locks the folder; makes it where it is not there. Throws Error (usage) where it belongs to a job of another
  /// `origin`.
  Parts(const std::filesystem::path& folder, const Origin& origin);

  /// Whether part i is there with `rows` rows x `dim` and its checksum agrees; then its bad images are added to
  /// `bad`, without their names.
  bool finished(std::uint64_t i, std::uint64_t rows, std::uint32_t dim, std::vector<BadImage>& bad) const;
  void write(std::uint64_t i, MatrixView<const float> rows, bool half, const std::vector<BadImage>& bad) const;
  /// The rows of part i.
  Matrix<float> read(std::uint64_t i) const;
  /// Once the result is in its place.
  void remove() const;

 private:
  std::filesystem::path rows_file(std::uint64_t i) const;
  std::filesystem::path note_file(std::uint64_t i) const;

  std::filesystem::path folder_;
  io::FolderLock lock_;
};

}  // namespace lowshot::extract_detail
