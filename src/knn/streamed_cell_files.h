#pragma once
// The scratch folder of the search by cells: rows of each cell, lists of each cell, and what is known of both, so that
// a killed call goes on. What a note does not vouch for does not count.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "io/folder_lock.h"
#include "knn/streamed_truth.h"
#include "lowshot/io.h"

namespace lowshot::knn {

/// Written once all cells are filled.
struct FilledCells {
  std::vector<std::uint64_t> rows;  ///< of each cell
  std::vector<std::string> hashes;  ///< of each cell's file
  double copies = 1, coverage = 1;
  TrueThresholds truth;
};

class CellFiles {
 public:
  /// Makes and locks the folder. What another `origin` left there, or a call killed before its cells were filled, is
  /// removed.
  CellFiles(const std::filesystem::path& folder, const Origin& origin);

  std::optional<FilledCells> filled() const;
  void write_filled(const FilledCells& cells) const;
  /// Whether the lists of a cell are there, whole.
  bool has_run(std::uint64_t cell) const;
  void write_run_note(std::uint64_t cell, const std::string& hash) const;
  std::filesystem::path rows_file(std::uint64_t cell) const;
  std::filesystem::path run_file(std::uint64_t cell) const;
  /// Everything: to begin anew, or once the result is in its place.
  void clear() const;
  void remove() const;

 private:
  std::filesystem::path note(std::uint64_t cell) const;

  std::filesystem::path folder_;
  Origin origin_;
  io::FolderLock lock_;
};

}  // namespace lowshot::knn
