#pragma once
// The full data set, where this machine has it: $LOWSHOT_FULL_DATA, else beside the source tree.

#include <cstdlib>
#include <filesystem>
#include <optional>

namespace oracle {

inline std::optional<std::filesystem::path> full_data() {
  const char* named = std::getenv("LOWSHOT_FULL_DATA");
  const std::filesystem::path path =
      named != nullptr ? named : std::filesystem::path(LOWSHOT_SOURCE_DIR) / "../shared/data/lowshot-cifar";
  if (!std::filesystem::exists(path / "label_idx.json")) return {};
  return path;
}

}  // namespace oracle

/// First line of a test that needs the set: defines `name`, or skips and says so.
#define FULL_DATA_OR_SKIP(name)                                                                             \
  const auto name##_found = oracle::full_data();                                                            \
  if (!name##_found) GTEST_SKIP() << "the full data set is not there (LOWSHOT_FULL_DATA names its folder)"; \
  const std::filesystem::path& name = *name##_found
