#pragma once
// Parquet is not read: its libraries weigh more than this program. The refusal holds the line that converts the file.

#include <filesystem>

namespace lowshot::label {

enum class ParquetUse { descriptors, ids, labels };

/// Throws Error (input) with the line of pandas for a path that ends in .parquet; returns for any other.
void refuse_parquet(const std::filesystem::path& path, ParquetUse use);

}  // namespace lowshot::label
