#pragma once
// Columns of a text table: found by their names in the header, and every record as wide as the first.

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string_view>

#include "io/text_table.h"

namespace lowshot::label {

/// The column of this name, letters of either case. Throws Error (input) where the header holds it twice.
std::optional<std::size_t> find_column(const std::filesystem::path& path, const io::TextRecord& header,
                                       std::string_view name);

/// Throws Error (input) unless `record` has `columns` fields; further ones may be there when they are empty. A
/// delimiter within a name that stands without quotes would otherwise move the fields behind it unseen.
void require_width(const std::filesystem::path& path, const io::TextRecord& record, std::size_t columns);

inline bool is_blank(const io::TextRecord& record) {
  return record.fields.size() == 1 && record.fields[0].empty();
}

}  // namespace lowshot::label
