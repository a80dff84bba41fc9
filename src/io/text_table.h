#pragma once
// Tables as people keep them, CSV and its kin, read record by record: files of millions of rows never become a table
// in memory. A byte-order mark, CRLF, CR, quotes, and delimiters or line ends within quotes are understood. The
// delimiter is found on the first line that is not blank, outside quotes: a tab, else a semicolon, else a comma; where
// there is none the file has one column and delimiters further down are text.

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace lowshot::io {

/// At least one field. Spaces and tabs around fields without quotes are gone. Valid during the call only.
struct TextRecord {
  std::uint64_t line = 0;  ///< where it begins, from 1
  std::span<const std::string_view> fields;
};

struct TextTable {
  std::uint64_t records = 0;
  std::uint64_t blank_lines_at_end = 0;  ///< not among the records
  char delimiter = '\0';                 ///< of the first record; '\0' for a single column
};

/// Calls `on_record` for every record in order; what it throws ends the reading. A blank line between records is a
/// record of one empty field. Throws Error (input) naming the line where the content is not text (NUL and other control
/// bytes, UTF-16, known binary formats), where a quote is out of place or not closed, and for an empty file.
/// Memory: a record, at most 1 MiB a field. Bytes that are not UTF-8 are passed on: file names may hold any.
TextTable read_text_table(const std::filesystem::path& path, const std::function<void(const TextRecord&)>& on_record);

/// "FILE, line N" for messages.
std::string at_line(const std::filesystem::path& path, std::uint64_t line);

/// A text as messages show it: in quotes, cut where it is long, control characters replaced.
std::string shown(std::string_view text);

/// Equal but for the case of ASCII letters.
bool equal_ignoring_case(std::string_view a, std::string_view b);

}  // namespace lowshot::io
