// RFC 4180 and what occurs beside it, through libcsv in its strict mode. libcsv gives fields and the byte that ended a
// record, but no positions: lines are counted from the record ends and the line ends within fields, and for an error
// by reading the file's beginning once more.
#include "io/text_table.h"

#include <csv.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>
#include <vector>

#include "io/input_file.h"

namespace lowshot::io {
namespace {

constexpr std::uint64_t block_size = 1 << 18;
constexpr std::size_t longest_field = 1 << 20;  // a quote that is never closed would read the whole file as one field
constexpr std::size_t most_columns = 1 << 16;
constexpr std::size_t field_growth = 1 << 12;  // libcsv's own step of 128 bytes copies long fields too often

struct Signature {
  std::string_view begin;
  const char* name;
};
constexpr Signature signatures[] = {
    {"\x93NUMPY", "an npy file"},   {"\x89HDF", "an HDF5 file"},
    {"PAR1", "a Parquet file"},     {"PK\x03\x04", "a zip file (or a spreadsheet)"},
    {"\x1f\x8b", "a gzip file"},    {"SQLite format 3", "an SQLite file"},
    {"ARROW1", "an Arrow file"},    {"\xff\xfe", "text in UTF-16"},
    {"\xfe\xff", "text in UTF-16"},
};

/// Not in any text: NUL and the control characters other than tab, line ends and form feed.
bool is_foreign(unsigned char byte) {
  return byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r' && byte != '\f';
}

std::uint64_t count_line_ends(std::string_view text) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    count += text[i] == '\n' || (text[i] == '\r' && (i + 1 == text.size() || text[i + 1] != '\n'));
  }
  return count;
}

char find_delimiter(std::string_view text) {
  bool quoted = false, blank = true, semicolon = false, comma = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    if (!quoted && (c == '\n' || c == '\r') && !blank) break;
    blank = blank && (c == ' ' || c == '\t' || c == '\n' || c == '\r');
    if (quoted) continue;
    // A tab before the first visible character may be white space of a blank line; it counts from then on only.
    if (c == '\t' && !blank) return '\t';
    semicolon = semicolon || c == ';';
    comma = comma || c == ',';
  }
  return semicolon ? ';' : comma ? ',' : '\0';
}

class Reader {
 public:
  Reader(const std::filesystem::path& path, const std::function<void(const TextRecord&)>& on_record)
      : path_(path), file_(path), on_record_(on_record) {
    if (csv_init(&parser_, CSV_STRICT | CSV_STRICT_FINI | CSV_REPALL_NL) != 0) throw std::bad_alloc();
    csv_set_blk_size(&parser_, field_growth);
  }
  ~Reader() { csv_free(&parser_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  TextTable read() {
    if (file_.size() == 0) file_.fail("the file is empty", "check that it was written");
    std::string block;
    std::uint64_t at = 0;
    while (at < file_.size()) {
      block.resize(std::min(block_size, file_.size() - at));
      file_.read_at(at, block.data(), block.size());
      std::string_view text = block;
      if (at == 0) text = begin(text);
      require_text(text, at + (block.size() - text.size()));
      const std::size_t used = csv_parse(&parser_, text.data(), text.size(), on_field, on_row, this);
      if (failure_) std::rethrow_exception(failure_);
      at += block.size() - text.size() + used;
      if (used < text.size()) fail_parsing(at);
      if (parser_.entry_pos > longest_field) fail_field();
    }
    const int finished = csv_fini(&parser_, on_field, on_row, this);
    if (failure_) std::rethrow_exception(failure_);
    if (finished != 0) fail_parsing(at);
    return table_;
  }

 private:
  /// The first block without its byte-order mark; finds the delimiter.
  std::string_view begin(std::string_view text) {
    for (const Signature& signature : signatures) {
      if (text.substr(0, signature.begin.size()) != signature.begin) continue;
      file_.fail(fmt::format("expected text and found {}", signature.name), "save it as text or CSV in UTF-8");
    }
    if (text.substr(0, 3) == "\xef\xbb\xbf") text.remove_prefix(3);
    table_.delimiter = find_delimiter(text);
    csv_set_delim(&parser_, static_cast<unsigned char>(table_.delimiter));
    return text;
  }

  void require_text(std::string_view text, std::uint64_t at) const {
    const auto found =
        std::find_if(text.begin(), text.end(), [](char c) { return is_foreign(static_cast<unsigned char>(c)); });
    if (found == text.end()) return;
    const auto offset = at + static_cast<std::uint64_t>(found - text.begin());
    throw Error(ErrorKind::input,
                fmt::format("expected text and found the byte 0x{:02x} (byte {} of the file)",
                            static_cast<unsigned char>(*found), offset),
                at_line(path_, line_of(offset)), "save it as text or CSV in UTF-8");
  }

  [[noreturn]] void fail_parsing(std::uint64_t at) {
    if (csv_error(&parser_) != CSV_EPARSE) throw std::bad_alloc();
    if (at < file_.size()) {
      throw Error(ErrorKind::input, "a quote is out of place", at_line(path_, line_of(at)),
                  "a field that holds quotes stands in quotes as a whole, and each quote within is doubled");
    }
    throw Error(ErrorKind::input, "a quote is opened and never closed", at_line(path_, record_line()),
                "close it, or double it where it is part of the text");
  }

  [[noreturn]] void fail_field() const {
    throw Error(ErrorKind::input, fmt::format("a field is longer than {} bytes", longest_field),
                at_line(path_, record_line()),
                "look for a quote that is not closed, or for a file that is not a table");
  }

  std::uint64_t line_of(std::uint64_t offset) const {
    std::string text;
    std::uint64_t line = 1;
    for (std::uint64_t at = 0; at < offset; at += text.size()) {
      text.resize(std::min(block_size, offset - at));
      file_.read_at(at, text.data(), text.size());
      // A CRLF that the block cuts in two must count once.
      if (text.size() > 1 && text.back() == '\r') text.pop_back();
      line += count_line_ends(text);
    }
    return line;
  }

  std::uint64_t record_line() const { return ends_.empty() ? line_ : record_line_; }

  // An exception must not pass through libcsv's C code: it is kept, and thrown when libcsv has returned.
  static void on_field(void* text, std::size_t size, void* self) {
    auto& reader = *static_cast<Reader*>(self);
    if (reader.failure_) return;
    try {
      reader.add_field({static_cast<const char*>(text), size});
    } catch (...) {
      reader.failure_ = std::current_exception();
    }
  }

  static void on_row(int end, void* self) {
    auto& reader = *static_cast<Reader*>(self);
    if (reader.failure_) return;
    try {
      reader.end_row(end);
    } catch (...) {
      reader.failure_ = std::current_exception();
    }
  }

  void add_field(std::string_view field) {
    if (ends_.empty()) record_line_ = line_;
    if (field.size() > longest_field) fail_field();
    if (ends_.size() == most_columns) {
      throw Error(ErrorKind::input, fmt::format("a record has more than {} fields", most_columns),
                  at_line(path_, record_line()), "check that the file is a table");
    }
    text_.append(field);
    ends_.push_back(text_.size());
    line_ += count_line_ends(field);
    after_cr_ = false;
  }

  void end_row(int end) {
    const bool second_half = end == '\n' && after_cr_ && ends_.empty();
    after_cr_ = end == '\r';
    if (second_half) return;
    if (ends_.empty()) {
      if (blank_lines_ == 0) first_blank_line_ = line_;
      ++blank_lines_;
    } else {
      const std::string_view nothing;
      for (std::uint64_t i = 0; i < blank_lines_; ++i) pass_on({first_blank_line_ + i, {&nothing, 1}});
      blank_lines_ = 0;
      fields_.clear();
      std::size_t from = 0;
      for (const std::size_t to : ends_) {
        fields_.push_back(std::string_view(text_).substr(from, to - from));
        from = to;
      }
      pass_on({record_line_, fields_});
      text_.clear();
      ends_.clear();
    }
    table_.blank_lines_at_end = blank_lines_;
    ++line_;
  }

  void pass_on(const TextRecord& record) {
    ++table_.records;
    on_record_(record);
  }

  std::filesystem::path path_;
  InputFile file_;
  const std::function<void(const TextRecord&)>& on_record_;
  csv_parser parser_ = {};
  std::exception_ptr failure_;
  TextTable table_;

  std::string text_;  // the fields of the record being read, one after the other
  std::vector<std::size_t> ends_;
  std::vector<std::string_view> fields_;
  std::uint64_t line_ = 1, record_line_ = 1;
  std::uint64_t blank_lines_ = 0, first_blank_line_ = 0;  // kept back until a record shows that they are not the end
  bool after_cr_ = false;
};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

TextTable read_text_table(const std::filesystem::path& path, const std::function<void(const TextRecord&)>& on_record) {
  return Reader(path, on_record).read();
}

std::string at_line(const std::filesystem::path& path, std::uint64_t line) {
  return fmt::format("{}, line {}", path.string(), line);
}

std::string shown(std::string_view text) {
  constexpr std::size_t longest = 100;
  std::string result = "'";
  for (const char c : text.substr(0, longest)) {
    const auto byte = static_cast<unsigned char>(c);
    result.push_back(byte < 0x20 || byte == 0x7f ? '?' : c);
  }
  return result + (text.size() > longest ? "...'" : "'");
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

}  // namespace lowshot::io
