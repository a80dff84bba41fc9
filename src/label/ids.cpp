// Names of rows, from text or CSV. Whether the first line is a header is known when the lines have been counted; so a
// file with a header that does not say `id` is read a second time, which costs a tenth of a second for a million names.
#include <fmt/format.h>

#include <numeric>

#include "io/text_table.h"
#include "label/columns.h"
#include "label/parquet.h"
#include "lowshot/error.h"
#include "lowshot/label.h"

namespace lowshot {
namespace {

namespace fs = std::filesystem;

struct Column {
  std::uint64_t names = 0;
  bool header = false;  ///< the first record names its columns, and is no name
  std::uint64_t empty = 0, first_empty_row = 0, first_empty_line = 0;
};

/// Adds the column `id`, else the first, to `names`.
Column read_column(const fs::path& file, bool skip_first, Names& names) {
  Column column;
  std::size_t width = 0, at = 0;
  io::read_text_table(file, [&](const io::TextRecord& record) {
    if (width == 0) {
      width = record.fields.size();
      const auto id = label::find_column(file, record, "id");
      column.header = id || skip_first;
      at = id.value_or(0);
      if (column.header) return;
    }
    // A blank line is a row without a name, whatever the width.
    if (!label::is_blank(record)) label::require_width(file, record, width);
    const std::string_view name = label::is_blank(record) ? std::string_view() : record.fields[at];
    if (name.empty() && column.empty++ == 0) {
      column.first_empty_row = column.names;
      column.first_empty_line = record.line;
    }
    names.add(name);
    ++column.names;
  });
  return column;
}

/// `rows_of` names the rows in the message: "", or " of shard 2 of 7".
void add_names(const fs::path& file, std::uint64_t rows, const std::string& rows_of, Names& names) {
  label::refuse_parquet(file, label::ParquetUse::ids);
  Names read;
  Column column = read_column(file, false, read);
  if (!column.header && column.names == rows + 1) {
    read = {};
    column = read_column(file, true, read);
  }
  if (column.names != rows) {
    throw Error(ErrorKind::input,
                fmt::format("expected {} names, one for each row{}, and found {}{}", rows, rows_of, column.names,
                            column.header ? " below the header" : ""),
                file.string(), "write one name a line, in the order of the rows");
  }
  if (column.empty > 0) {
    throw Error(ErrorKind::input,
                fmt::format("{} without a name, the first is row {}{}",
                            column.empty == 1 ? std::string("a row is") : fmt::format("{} rows are", column.empty),
                            column.first_empty_row, rows_of),
                io::at_line(file, column.first_empty_line), "give every row a name");
  }
  if (names.size() == 0) {
    names = std::move(read);
    return;
  }
  for (std::size_t i = 0; i < read.size(); ++i) names.add(read[i]);
}

}  // namespace

Names read_ids(const std::vector<fs::path>& files, std::span<const std::uint64_t> shard_rows) {
  Names names;
  if (files.size() == 1) {
    add_names(files[0], std::accumulate(shard_rows.begin(), shard_rows.end(), std::uint64_t{0}), "", names);
    return names;
  }
  if (files.size() != shard_rows.size()) {
    throw Error(ErrorKind::input,
                fmt::format("expected one file of names, or one for each of the {} files of descriptors, and found {}",
                            shard_rows.size(), files.size()),
                files.empty() ? "" : files.front().string(), "name the files in the order of the descriptors");
  }
  for (std::size_t i = 0; i < files.size(); ++i) {
    add_names(files[i], shard_rows[i], fmt::format(" of file {} of {}", i + 1, files.size()), names);
  }
  return names;
}

}  // namespace lowshot
