#include "io/yaml_file.h"

#include <fmt/format.h>
#include <yaml-cpp/eventhandler.h>

#include <algorithm>
#include <numeric>
#include <sstream>
#include <vector>

#include "io/input_file.h"
#include "io/text_table.h"
#include "lowshot/error.h"

namespace lowshot::io {
namespace {

// Files that people write have a few kilobytes.
constexpr std::uint64_t max_bytes = 1 << 20;
// Configurations nest three deep, plans five.
constexpr int max_depth = 8;

/// Passes over a file before any node is made of it: YAML's own means of repeating parts of a file are refused, so its
/// content is as large as the file.
class Structure : public YAML::EventHandler {
 public:
  explicit Structure(const YamlFile& file) : file_(file) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override { node(mark, anchor); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { node(mark, 1); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor, const std::string&) override {
    node(mark, anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    begin(mark, anchor);
  }
  void OnSequenceEnd() override { --depth_; }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    begin(mark, anchor);
  }
  void OnMapEnd() override { --depth_; }

 private:
  void node(const YAML::Mark& mark, YAML::anchor_t anchor) const {
    if (anchor != 0) file_.fail(mark, "anchors (&name) and aliases (*name) are not read", "write the values out");
  }
  void begin(const YAML::Mark& mark, YAML::anchor_t anchor) {
    node(mark, anchor);
    if (++depth_ > max_depth) file_.fail(mark, fmt::format("lists and maps are nested more than {} deep", max_depth));
  }

  const YamlFile& file_;
  int depth_ = 0;
};

/// Letters to change, add or remove to make one word of the other (Levenshtein), row by row.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

}  // namespace

YamlFile::YamlFile(const std::filesystem::path& path, const std::string& kind, const std::string& advice)
    : path_(path) {
  const InputFile file(path);
  if (file.size() > max_bytes)
    file.fail(fmt::format("expected a {} of at most {} bytes and found {}", kind, max_bytes, file.size()), advice);
  std::string text(file.size(), '\0');
  file.read_at(0, text.data(), text.size());
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    Structure structure(*this);
    if (!parser.HandleNextDocument(structure))
      file.fail(fmt::format("expected a YAML {} and found an empty file", kind));
    if (parser.HandleNextDocument(structure))
      file.fail("expected one YAML document and found several", "remove all but one");
    root_ = YAML::Load(text);
  } catch (const YAML::Exception& error) {
    fail(error.mark, fmt::format("the YAML is malformed: {}", error.msg), "check the indentation and the brackets");
  }
}

void YamlFile::fail(const YAML::Mark& mark, const std::string& what, const std::string& advice) const {
  // Places count from 0; none is -1.
  throw Error(ErrorKind::input, what,
              mark.is_null() ? path_.string() : at_line(path_, static_cast<std::uint64_t>(mark.line) + 1), advice);
}

void YamlFile::each(const YAML::Node& map, const std::string& name, std::string_view known,
                    const std::function<bool(const std::string& key, const YAML::Node& value)>& on_entry) const {
  if (!map.IsMap())
    fail(map.Mark(), fmt::format("{} must hold keys with values", name), fmt::format("its keys are {}", known));
  std::vector<std::string> seen;
  for (const auto& entry : map) {
    if (!entry.first.IsScalar()) fail(entry.first.Mark(), fmt::format("a key of {} is no word", name));
    const std::string& key = entry.first.Scalar();
    if (std::find(seen.begin(), seen.end(), key) != seen.end())
      fail(entry.first.Mark(), fmt::format("the key {} of {} is there twice", io::shown(key), name), "remove one");
    seen.push_back(key);
    if (on_entry(key, entry.second)) continue;
    const std::string nearest = nearest_word(key, known);
    fail(entry.first.Mark(), fmt::format("the key {} of {} is not known", io::shown(key), name),
         nearest.empty() ? fmt::format("its keys are {}", known)
                         : fmt::format("did you mean {}? its keys are {}", nearest, known));
  }
}

std::string YamlFile::text(const YAML::Node& node, const std::string& key) const {
  if (!node.IsScalar() || node.Scalar().empty()) fail(node.Mark(), fmt::format("{} must be a word or a path", key));
  if (node.Scalar().find('\0') != std::string::npos) fail(node.Mark(), fmt::format("{} holds a zero byte", key));
  return node.Scalar();
}

std::uint32_t YamlFile::whole(const YAML::Node& node, const std::string& key, std::uint32_t least,
                              std::uint32_t most) const {
  std::int64_t value = 0;
  if (!node.IsScalar() || !YAML::convert<std::int64_t>::decode(node, value) || value < least || value > most)
    fail(node.Mark(), fmt::format("{} must be a whole number from {} to {} and is {}", key, least, most, shown(node)));
  return static_cast<std::uint32_t>(value);
}

bool YamlFile::truth(const YAML::Node& node, const std::string& key) const {
  bool value = false;
  if (!node.IsScalar() || !YAML::convert<bool>::decode(node, value))
    fail(node.Mark(), fmt::format("{} must be True or False and is {}", key, shown(node)));
  return value;
}

std::string YamlFile::shown(const YAML::Node& node) {
  if (node.IsScalar()) return io::shown(node.Scalar());
  return node.IsSequence() ? "a list" : node.IsMap() ? "a map" : "empty";
}

std::string nearest_word(std::string_view word, std::string_view known) {
  std::string best;
  std::size_t fewest = SIZE_MAX;
  while (!known.empty()) {
    const std::size_t comma = known.find(", ");
    const std::string_view candidate = known.substr(0, comma);
    const std::size_t distance = word.size() > 64 ? SIZE_MAX : edit_distance(word, candidate);
    if (distance < fewest && distance <= (candidate.size() + 2) / 3) {
      fewest = distance;
      best = candidate;
    }
    known = comma == std::string_view::npos ? std::string_view() : known.substr(comma + 2);
  }
  return best;
}

}  // namespace lowshot::io
