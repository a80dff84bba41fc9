// A text file with a path a line, "PATH<tab>LABEL" where the images have classes.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <string_view>

#include "images/file_set.h"
#include "io/input_file.h"
#include "io/text_table.h"
#include "lowshot/error.h"

namespace lowshot {
namespace {

namespace fs = std::filesystem;

std::optional<std::int32_t> number(std::string_view text) {
  std::int32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) return {};
  return value;
}

/// Labels that are all numbers are classes as they are; others are names, numbered in their sorted order.
void number_labels(const std::vector<std::string>& labels, images::NamedFiles& set) {
  if (std::all_of(labels.begin(), labels.end(), [](const std::string& l) { return number(l).has_value(); })) {
    for (const std::string& label : labels) set.labels.push_back(*number(label));
    return;
  }
  set.class_names = labels;
  std::sort(set.class_names.begin(), set.class_names.end());
  set.class_names.erase(std::unique(set.class_names.begin(), set.class_names.end()), set.class_names.end());
  for (const std::string& label : labels) {
    const auto at = std::lower_bound(set.class_names.begin(), set.class_names.end(), label);
    set.labels.push_back(static_cast<std::int32_t>(at - set.class_names.begin()));
  }
}

}  // namespace

std::unique_ptr<ImageSet> open_image_list(const fs::path& list, const fs::path& root) {
  const io::InputFile file(list);
  std::string text(file.size(), '\0');
  file.read_at(0, text.data(), text.size());

  images::NamedFiles set;
  set.kind = "list";
  set.root = root.empty() ? list.parent_path() : root;
  std::vector<std::string> labels;
  std::string_view rest = text;
  if (rest.substr(0, 3) == "\xef\xbb\xbf") rest.remove_prefix(3);
  while (!rest.empty() && (rest.back() == '\n' || rest.back() == '\r'))
    rest.remove_suffix(1);  // blank lines at the end
  for (std::uint64_t line_number = 1; !rest.empty(); ++line_number) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    const auto refuse = [&](const std::string& what, const std::string& advice) {
      throw Error(ErrorKind::input, what, io::at_line(list, line_number), advice);
    };
    const auto is_control = [](char c) { return (static_cast<unsigned char>(c) < ' ' && c != '\t') || c == '\x7f'; };
    if (std::any_of(line.begin(), line.end(), is_control)) {
      refuse("expected a text file with a path a line and found control characters",
             "name a text file, a folder, a .zip or a .json");
    }
    const std::size_t tab = std::min(line.find('\t'), line.size());
    if (tab == 0) refuse("expected a path and found none", "remove the line, so that rows and lines agree");
    if (tab < line.size()) {
      const std::string_view label = line.substr(tab + 1);
      if (label.empty() || label.find('\t') != std::string_view::npos) {
        refuse("expected PATH, a tab and a label", "give each line one label");
      }
      labels.emplace_back(label);
    }
    set.names.emplace_back(line.substr(0, tab));
    if (!labels.empty() && labels.size() != set.names.size()) {
      refuse(tab < line.size() ? "the first line with a label, and those above have none"
                               : "the line has no label, and those above have one",
             "give all images a label or none");
    }
  }
  if (set.names.empty()) file.fail("expected a path a line and found an empty file");
  if (!labels.empty()) number_labels(labels, set);
  set.description = fmt::format("{} images that {} lists", set.names.size(), list.string());
  return images::make_file_set(std::move(set));
}

}  // namespace lowshot
