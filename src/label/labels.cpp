// Labels of rows from a CSV (by name or by row number), from one label a row as text, or from npy integers. A file is
// read once; labels by name are kept under different names, so that a handful of labels costs one pass over millions
// of row names and no table of them.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <unordered_set>

#include "io/text_table.h"
#include "label/columns.h"
#include "label/names.h"
#include "label/parquet.h"
#include "label/problem_list.h"
#include "lowshot/error.h"
#include "lowshot/io.h"
#include "lowshot/label.h"

namespace lowshot {
namespace {

using io::shown;
using label::NameIndex;
using label::ProblemList;

constexpr std::int32_t no_class = -1;
const char* const expected_forms =
    "expected a CSV whose first line names the columns id,label or row,label, or one label a row";

template <typename Integer>
std::optional<Integer> integer_of(std::string_view text) {
  Integer value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

/// Class numbers in the order of the labels' first use -> sorted classes, those without a row left out.
RowLabels sorted(const NameIndex& classes, std::vector<std::int32_t> of_row, const std::string& file) {
  std::vector<bool> used(classes.size());
  for (const std::int32_t c : of_row) {
    if (c != no_class) used[static_cast<std::size_t>(c)] = true;
  }
  std::vector<std::uint32_t> order;
  for (std::uint32_t c = 0; c < classes.size(); ++c) {
    if (used[c]) order.push_back(c);
  }
  if (order.empty()) {
    throw Error(ErrorKind::input, "no row has a label", file, "label at least one row of each class");
  }
  std::vector<std::optional<std::int64_t>> number(classes.size());
  bool all_numbers = true;
  for (const std::uint32_t c : order) {
    number[c] = integer_of<std::int64_t>(classes[c]);
    all_numbers = all_numbers && number[c].has_value();
  }
  std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
    if (all_numbers && *number[a] != *number[b]) return *number[a] < *number[b];
    return classes[a] < classes[b];
  });
  RowLabels labels;
  std::vector<std::int32_t> place(classes.size(), no_class);
  for (const std::uint32_t c : order) {
    place[c] = static_cast<std::int32_t>(labels.classes.size());
    labels.classes.emplace_back(classes[c]);
  }
  for (std::int32_t& c : of_row) {
    if (c != no_class) c = place[static_cast<std::size_t>(c)];
  }
  labels.of_row = std::move(of_row);
  return labels;
}

/// What a text file of labels says, record by record.
class LabelFile {
 public:
  LabelFile(const fs::path& path, std::uint64_t rows, const Names* ids, MatchBy match)
      : path_(path), rows_(rows), ids_(ids), match_(match) {}

  void add(const io::TextRecord& record) {
    if (form_ == Form::unknown) {
      begin(record);
      return;
    }
    if (form_ == Form::one_a_row) {
      add_next(record.fields[0], record.line);
      return;
    }
    if (label::is_blank(record)) return;
    label::require_width(path_, record, width_);
    const std::int32_t c = class_of(record.fields[label_column_], record.line);
    if (c == no_class) return;
    if (form_ == Form::by_name) {
      add_to_name(record.fields[key_column_], c, record.line);
    } else {
      add_to_row(record.fields[key_column_], c, record.line);
    }
  }

  RowLabels finish(const io::TextTable& table) {
    if (form_ == Form::one_a_row || form_ == Form::unknown) {
      settle_count(table);
    } else if (form_ == Form::by_name) {
      find_rows();
    }
    throw_problems();
    of_row_.resize(rows_, no_class);
    return sorted(classes_, std::move(of_row_), path_.string());
  }

 private:
  enum class Form { unknown, by_name, by_row, one_a_row };

  void begin(const io::TextRecord& header) {
    const auto id = label::find_column(path_, header, "id");
    const auto row = label::find_column(path_, header, "row");
    const auto labels = label::find_column(path_, header, "label");
    width_ = header.fields.size();
    if (labels && (id || row)) {
      if (!row && ids_ == nullptr) {
        throw Error(ErrorKind::input, "the labels are given by name (column id) and the rows have no names",
                    path_.string(), "name the rows with --ids, or give the labels by row number (column row)");
      }
      form_ = id && ids_ != nullptr ? Form::by_name : Form::by_row;
      key_column_ = form_ == Form::by_name ? *id : *row;
      label_column_ = *labels;
      if (form_ == Form::by_row) of_row_.assign(rows_, no_class);
      return;
    }
    if (width_ > 1) {
      std::string found;
      for (std::size_t i = 0; i < std::min<std::size_t>(width_, 10); ++i)
        found += (i > 0 ? ", " : "") + shown(header.fields[i]);
      throw Error(ErrorKind::input,
                  fmt::format("{}; found a first line with {}{}", expected_forms, found, width_ > 10 ? ", ..." : ""),
                  io::at_line(path_, header.line), "add or rename the header");
    }
    form_ = Form::one_a_row;
    maybe_header_ = io::equal_ignoring_case(header.fields[0], "label");
    add_next(header.fields[0], header.line);
  }

  std::int32_t class_of(std::string_view text, std::uint64_t line) {
    if (text.empty() || text == "-1") return no_class;
    // Numbers below -1 would stand beside a -1 that means nothing: more likely than not, -1 is a class there, too.
    if (text[0] == '-') {
      const auto number = integer_of<std::int64_t>(text);
      if (number && *number < 0) {
        negative_.add([&] { return fmt::format("{} (line {})", shown(text), line); });
        return no_class;
      }
    }
    return static_cast<std::int32_t>(classes_.insert(text));
  }

  void add_next(std::string_view text, std::uint64_t line) {
    if (of_row_.size() <= rows_) of_row_.push_back(class_of(text, line));  // one more than rows: a header
  }

  void add_to_name(std::string_view name, std::int32_t c, std::uint64_t line) {
    const std::uint32_t number = names_.insert(label::part_of(name, match_));
    if (number == class_of_name_.size()) {
      class_of_name_.push_back(c);
    } else if (class_of_name_[number] != c) {
      contradict(number, class_of_name_[number], c, line, [&] { return shown(name); });
    }
  }

  void add_to_row(std::string_view text, std::int32_t c, std::uint64_t line) {
    const auto row = integer_of<std::uint64_t>(text);
    if (!row || *row >= rows_) {
      outside_.add([&] { return fmt::format("{} (line {})", shown(text), line); });
      return;
    }
    std::int32_t& known = of_row_[*row];
    if (known == no_class) {
      known = c;
    } else if (known != c) {
      contradict(*row, known, c, line, [&] { return fmt::format("row {}", *row); });
    }
  }

  template <typename Describe>
  void contradict(std::uint64_t key, std::int32_t first, std::int32_t second, std::uint64_t line,
                  const Describe& name) {
    if (!contradicted_.insert(key).second) return;
    contradictions_.add([&] {
      return fmt::format("{} ({}, then {} in line {})", name(), shown(classes_[static_cast<std::uint32_t>(first)]),
                         shown(classes_[static_cast<std::uint32_t>(second)]), line);
    });
  }

  /// One label a row: labels that are empty may look like blank lines at the end of the file.
  void settle_count(const io::TextTable& table) {
    const auto fits = [&](std::uint64_t records) {
      return records <= rows_ && rows_ <= records + table.blank_lines_at_end;
    };
    const std::uint64_t records = table.records;
    if (maybe_header_ && fits(records - 1)) {
      of_row_.erase(of_row_.begin());
      return;
    }
    if (fits(records)) return;
    throw Error(ErrorKind::input,
                fmt::format("{}; found one column of {} labels for {} rows", expected_forms,
                            records - (maybe_header_ ? 1 : 0), rows_),
                path_.string(),
                "label some rows by id,label or row,label, or give every row a line, empty where it has no label");
  }

  /// Labels by name -> labels by row.
  void find_rows() {
    struct Found {
      std::uint64_t count = 0, first = 0, second = 0;
    };
    std::vector<Found> found(names_.size());
    of_row_.assign(rows_, no_class);
    for (std::uint64_t row = 0; row < rows_; ++row) {
      const std::string_view part = label::part_of((*ids_)[row], match_);
      const std::uint32_t number = part.empty() ? NameIndex::absent : names_.find(part);
      if (number == NameIndex::absent) continue;
      of_row_[row] = class_of_name_[number];
      Found& f = found[number];
      if (f.count == 0) f.first = row;
      if (f.count == 1) f.second = row;
      ++f.count;
    }
    for (std::uint32_t number = 0; number < names_.size(); ++number) {
      const Found& f = found[number];
      if (f.count == 0) {
        missing_.push_back(number);
        not_found_.add([&] { return shown(names_[number]); });
      } else if (f.count > 1) {
        ambiguous_.add([&] {
          return fmt::format("{} (rows {}{} {}{})", shown(names_[number]), f.first, f.count == 2 ? " and" : ",",
                             f.second, f.count == 2 ? "" : fmt::format(" and {} more", f.count - 2));
        });
      }
    }
  }

  /// How many of the missing names stand for exactly one row when only this part of them is compared.
  std::uint64_t found_by(MatchBy match) const {
    NameIndex parts;
    std::vector<std::uint32_t> part_of_missing;
    for (const std::uint32_t number : missing_) {
      part_of_missing.push_back(parts.insert(label::part_of(names_[number], match)));
    }
    std::vector<std::uint64_t> count(parts.size());
    for (std::uint64_t row = 0; row < rows_; ++row) {
      const std::string_view part = label::part_of((*ids_)[row], match);
      const std::uint32_t number = part.empty() ? NameIndex::absent : parts.find(part);
      if (number != NameIndex::absent) ++count[number];
    }
    return static_cast<std::uint64_t>(std::count_if(part_of_missing.begin(), part_of_missing.end(),
                                                    [&](std::uint32_t part) { return count[part] == 1; }));
  }

  std::string advice() const {
    std::string help;
    if (!missing_.empty()) {
      const std::uint64_t by_basename = match_ == MatchBy::name ? found_by(MatchBy::basename) : 0;
      const std::uint64_t by_stem = match_ != MatchBy::stem ? found_by(MatchBy::stem) : 0;
      const bool stem = by_stem > by_basename;
      if (by_basename > 0 || by_stem > 0) {
        return fmt::format("--match {} finds {} of the {} names that are not found", stem ? "stem" : "basename",
                           stem ? by_stem : by_basename, missing_.size());
      }
      return rows_ == 0 ? "" : fmt::format("the rows are named like {}", shown((*ids_)[0]));
    }
    return "correct the labels";
  }

  void throw_problems() const {
    std::string text;
    for (const ProblemList* list : {&not_found_, &ambiguous_, &contradictions_, &outside_, &negative_}) {
      if (list->count() > 0) text += (text.empty() ? "" : "; ") + list->text();
    }
    if (!text.empty()) throw Error(ErrorKind::input, text, path_.string(), advice());
  }

  fs::path path_;
  std::uint64_t rows_;
  const Names* ids_;
  MatchBy match_;

  Form form_ = Form::unknown;
  std::size_t width_ = 0, key_column_ = 0, label_column_ = 0;
  bool maybe_header_ = false;

  NameIndex classes_;  // in the order of their first use
  NameIndex names_;    // labelled names, the part that is compared
  std::vector<std::int32_t> class_of_name_;
  std::vector<std::int32_t> of_row_;
  std::vector<std::uint32_t> missing_;
  std::unordered_set<std::uint64_t> contradicted_;

  ProblemList not_found_{"labelled name stands for no row", "labelled names stand for no row"};
  ProblemList ambiguous_{"labelled name stands for several rows", "labelled names stand for several rows"};
  ProblemList contradictions_{"name or row has different labels", "names or rows have different labels"};
  ProblemList outside_{fmt::format("row is not a number from 0 to {}", rows_ - 1),
                       fmt::format("rows are not numbers from 0 to {}", rows_ - 1)};
  ProblemList negative_{"label is a negative number other than -1 (which means: none)",
                        "labels are negative numbers other than -1 (which means: none)"};
};

RowLabels from_npy(const fs::path& path, std::uint64_t rows) {
  const std::vector<std::int32_t> values = read_npy_int32(path);
  if (values.size() != rows) {
    throw Error(ErrorKind::input,
                fmt::format("expected {} labels, one for each row, and found {}", rows, values.size()), path.string(),
                "store one integer a row, -1 where there is no label");
  }
  NameIndex classes;
  ProblemList negative("label is a negative number other than -1 (which means: none)",
                       "labels are negative numbers other than -1 (which means: none)");
  std::vector<std::int32_t> of_row(rows, no_class);
  for (std::uint64_t row = 0; row < rows; ++row) {
    if (values[row] < -1) negative.add([&] { return fmt::format("{} (row {})", values[row], row); });
    if (values[row] >= 0) of_row[row] = static_cast<std::int32_t>(classes.insert(fmt::to_string(values[row])));
  }
  if (negative.count() > 0) {
    throw Error(ErrorKind::input, negative.text(), path.string(), "number the classes from 0");
  }
  return sorted(classes, std::move(of_row), path.string());
}

}  // namespace

RowLabels read_labels(const fs::path& file, std::uint64_t rows, const Names* ids, MatchBy match) {
  if (ids != nullptr && ids->size() != rows) throw std::logic_error("read_labels: names and rows differ in number");
  label::refuse_parquet(file, label::ParquetUse::labels);
  if (file.extension() == ".npy") return from_npy(file, rows);
  LabelFile labels(file, rows, ids, match);
  const io::TextTable table = io::read_text_table(file, [&](const io::TextRecord& record) { labels.add(record); });
  return labels.finish(table);
}

}  // namespace lowshot
