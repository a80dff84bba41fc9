#pragma once
// The data directory of the original system (docs/files.md): where its files are, and where derived ones are kept.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace lowshot {

/// `root` is read only; everything derived is kept under `work` in the same layout. `work` empty: derived files go to
/// `root`. Files of `root` come first when both have one.
struct DataDirectory {
  std::filesystem::path root, work;

  /// Throws Error (input) when root is not a directory.
  DataDirectory(std::filesystem::path root_directory, std::filesystem::path work_directory);

  std::filesystem::path train() const { return root / "features/train.hdf5"; }
  std::filesystem::path val() const { return root / "features/val.hdf5"; }
  std::filesystem::path label_idx() const { return root / "label_idx.json"; }
  /// features/f100m/block0.hdf5, block1.hdf5, ... as far as they exist without a gap.
  std::vector<std::filesystem::path> blocks() const;
  std::filesystem::path index(std::uint64_t rows) const;

  static std::filesystem::path pca_name() { return "features/PCAR256.vt"; }
  static std::filesystem::path raw_name() { return "features/f100m/concatenated_PCAR256.raw"; }
  static std::filesystem::path knn_prefix(std::uint64_t rows);

  /// root/name or work/name, whichever exists first.
  std::optional<std::filesystem::path> find(const std::filesystem::path& name) const;
  /// work/name with its folder made; nothing where the folder cannot be written (a read-only data directory).
  std::optional<std::filesystem::path> place(const std::filesystem::path& name) const;
};

}  // namespace lowshot
