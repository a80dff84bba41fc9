// Row numbers in the first column of a table, as the lists of bad images and bad rows have them
// (lowshot::read_row_list).
#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "io/text_table.h"
#include "lowshot/error.h"
#include "lowshot/io.h"

namespace lowshot {

std::vector<std::uint64_t> read_row_list(const fs::path& path, std::uint64_t rows) {
  std::vector<std::uint64_t> list;
  bool first = true;
  io::read_text_table(path, [&](const io::TextRecord& record) {
    const std::string_view text = record.fields.front();
    const bool heading = std::exchange(first, false) && text == "row";
    if (heading) return;
    std::uint64_t row = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), row);
    if (text.empty() || error != std::errc() || end != text.data() + text.size())
      throw Error(ErrorKind::input, fmt::format("expected a row number and found {}", io::shown(text)),
                  io::at_line(path, record.line), "the first column must be called row and hold numbers from 0");
    if (row >= rows)
      throw Error(ErrorKind::input, fmt::format("row {} is listed and there are {} rows", row, rows),
                  io::at_line(path, record.line), "use the list that belongs to these descriptors");
    list.push_back(row);
  });
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
  return list;
}

}  // namespace lowshot
