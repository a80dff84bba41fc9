// How frequent the classes are, as a CSV says it.
#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <optional>
#include <string_view>

#include "io/text_table.h"
#include "label/columns.h"
#include "label/names.h"
#include "label/problem_list.h"
#include "lowshot/error.h"
#include "lowshot/label.h"

namespace lowshot {
namespace {

using io::shown;

std::optional<double> share_of(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !std::isfinite(value) || value < 0) return {};
  return value;
}

class ShareFile {
 public:
  ShareFile(const std::filesystem::path& path, std::span<const std::string> classes)
      : path_(path), seen_(classes.size()), shares_(classes.size()) {
    for (const std::string& name : classes) classes_.insert(name);
  }

  void add(const io::TextRecord& record) {
    if (width_ == 0) return begin(record);
    if (label::is_blank(record)) return;
    label::require_width(path_, record, width_);
    const std::string_view name = record.fields[label_], text = record.fields[share_];
    const std::uint32_t c = classes_.find(name);
    const std::optional<double> share = share_of(text);
    if (c == label::NameIndex::absent)
      unknown_.add([&] { return fmt::format("{} (line {})", shown(name), record.line); });
    else if (seen_[c])
      twice_.add([&] { return fmt::format("{} (line {})", shown(name), record.line); });
    else if (!share)
      wrong_.add([&] { return fmt::format("{} (line {})", shown(text), record.line); });
    if (c == label::NameIndex::absent) return;
    seen_[c] = true;
    shares_[c] = share.value_or(0);
  }

  std::vector<double> finish() {
    label::ProblemList missing("class has no share", "classes have no share");
    double sum = 0;
    for (std::uint32_t c = 0; c < seen_.size(); ++c) {
      if (!seen_[c]) missing.add([&] { return shown(classes_[c]); });
      sum += shares_[c];
    }
    std::string text;
    for (const label::ProblemList* list : {&unknown_, &twice_, &wrong_, &missing})
      if (list->count() > 0) text += (text.empty() ? "" : "; ") + list->text();
    if (!text.empty())
      throw Error(ErrorKind::input, text, path_.string(), "give every class of the labels one share of 0 or more");
    if (!(sum > 0)) throw Error(ErrorKind::input, "every share is 0", path_.string(), "some class must be there");
    if (!std::isfinite(sum))
      throw Error(ErrorKind::input, "the shares add up to more than a number holds", path_.string(), "divide them");
    return std::move(shares_);
  }

 private:
  void begin(const io::TextRecord& header) {
    const auto label = label::find_column(path_, header, "label"), share = label::find_column(path_, header, "share");
    if (!label || !share)
      throw Error(ErrorKind::input, "the first line does not name the columns label and share",
                  io::at_line(path_, header.line), "expected a CSV label,share with a line a class");
    label_ = *label;
    share_ = *share;
    width_ = header.fields.size();
  }

  std::filesystem::path path_;
  label::NameIndex classes_;
  std::size_t width_ = 0, label_ = 0, share_ = 0;
  std::vector<bool> seen_;
  std::vector<double> shares_;
  label::ProblemList unknown_{"label is no class of the labels", "labels are no classes of the labels"};
  label::ProblemList twice_{"label stands there twice", "labels stand there twice"};
  label::ProblemList wrong_{"share is not a number of 0 or more", "shares are not numbers of 0 or more"};
};

}  // namespace

std::vector<double> read_class_shares(const std::filesystem::path& file, std::span<const std::string> classes) {
  ShareFile shares(file, classes);
  io::read_text_table(file, [&](const io::TextRecord& record) { shares.add(record); });
  return shares.finish();
}

}  // namespace lowshot
