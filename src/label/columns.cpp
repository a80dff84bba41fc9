#include "label/columns.h"

#include <fmt/format.h>

#include <algorithm>

#include "lowshot/error.h"

namespace lowshot::label {

std::optional<std::size_t> find_column(const std::filesystem::path& path, const io::TextRecord& header,
                                       std::string_view name) {
  std::optional<std::size_t> found;
  for (std::size_t i = 0; i < header.fields.size(); ++i) {
    if (!io::equal_ignoring_case(header.fields[i], name)) continue;
    if (found) {
      throw Error(ErrorKind::input, fmt::format("the header holds the column {} twice", name),
                  io::at_line(path, header.line), "rename or remove one of them");
    }
    found = i;
  }
  return found;
}

void require_width(const std::filesystem::path& path, const io::TextRecord& record, std::size_t columns) {
  std::size_t width = record.fields.size();
  while (width > columns && record.fields[width - 1].empty()) --width;
  if (width == columns) return;
  throw Error(ErrorKind::input, fmt::format("expected {} fields as in the first line and found {}", columns, width),
              io::at_line(path, record.line), "a field that holds a delimiter stands in quotes");
}

}  // namespace lowshot::label
