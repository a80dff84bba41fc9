// label_idx.json: the class names (label_names) and which classes are base or novel in class sets 1 and 2. The ids in
// its lists are 1-based; in memory they are 0-based.
#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "io/input_file.h"
#include "io/json_file.h"
#include "lowshot/io.h"

namespace lowshot {
namespace {

using Json = nlohmann::json;

/// A value as the message shows it: JSON text, cut where it is long. Lists and objects only by name: writing them out
/// is recursive, and a hostile file nests a hundred thousand.
std::string shown(const Json& value) {
  if (value.is_array()) return "a list";
  if (value.is_object()) return "an object";
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 40) text = text.substr(0, 40) + "...";
  return text;
}

const Json& member(const io::InputFile& file, const Json& root, const char* key) {
  const auto found = root.find(key);
  if (found == root.end()) {
    file.fail(fmt::format("the key \"{}\" is missing", key),
              "label_names, base_classes_1, base_classes_2, novel_classes_1 and novel_classes_2 must be there");
  }
  if (!found->is_array()) file.fail(fmt::format("\"{}\" must be a list and is {}", key, shown(*found)));
  return *found;
}

std::vector<std::string> names(const io::InputFile& file, const Json& root) {
  std::vector<std::string> result;
  for (const Json& name : member(file, root, "label_names")) {
    if (!name.is_string()) {
      file.fail(fmt::format("\"label_names\" must hold strings; entry {} is {}", result.size(), shown(name)));
    }
    result.push_back(name.get<std::string>());
  }
  return result;
}

/// A list of different ids in 1 .. classes, made 0-based.
std::vector<std::int32_t> ids(const io::InputFile& file, const Json& root, const char* key, std::size_t classes) {
  std::vector<std::int32_t> result;
  std::set<std::int64_t> seen;
  for (const Json& entry : member(file, root, key)) {
    const bool whole = entry.is_number_integer();
    const bool beyond = entry.is_number_unsigned() && entry.get<std::uint64_t>() > classes;
    if (!whole || beyond || entry.get<std::int64_t>() < 1) {
      file.fail(fmt::format("\"{}\" must hold class ids from 1 to {} (the number of label_names); entry {} is {}", key,
                            classes, result.size(), shown(entry)));
    }
    const auto id = entry.get<std::int64_t>();
    if (!seen.insert(id).second) file.fail(fmt::format("\"{}\" holds the class id {} twice", key, id));
    result.push_back(static_cast<std::int32_t>(id - 1));
  }
  return result;
}

/// `key`, where it is there, is the union of the two sets.
void require_union(const io::InputFile& file, const Json& root, const char* key, std::size_t classes,
                   const std::vector<std::int32_t> (&sets)[2]) {
  if (!root.contains(key)) return;
  std::set<std::int32_t> expected(sets[0].begin(), sets[0].end());
  expected.insert(sets[1].begin(), sets[1].end());
  const auto list = ids(file, root, key, classes);
  const std::set<std::int32_t> found(list.begin(), list.end());
  std::vector<std::int32_t> different;
  std::set_symmetric_difference(expected.begin(), expected.end(), found.begin(), found.end(),
                                std::back_inserter(different));
  if (different.empty()) return;
  file.fail(fmt::format("\"{0}\" must be the union of \"{0}_1\" and \"{0}_2\"; the class id {1} is only in {2}", key,
                        different[0] + 1, found.count(different[0]) != 0 ? "the former" : "the latter"),
            "correct the lists or leave the key out");
}

}  // namespace

ClassSets read_class_sets(const fs::path& path) {
  const io::InputFile file(path);
  const Json root = io::read_json(file);
  if (!root.is_object()) file.fail(fmt::format("expected a JSON object of class lists and found {}", shown(root)));
  ClassSets sets;
  sets.names = names(file, root);
  const std::size_t classes = sets.names.size();
  sets.base[0] = ids(file, root, "base_classes_1", classes);
  sets.base[1] = ids(file, root, "base_classes_2", classes);
  sets.novel[0] = ids(file, root, "novel_classes_1", classes);
  sets.novel[1] = ids(file, root, "novel_classes_2", classes);
  require_union(file, root, "base_classes", classes, sets.base);
  require_union(file, root, "novel_classes", classes, sets.novel);
  return sets;
}

}  // namespace lowshot
