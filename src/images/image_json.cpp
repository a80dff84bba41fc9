// The original's MetaDataset: JSON with image_names, image_labels (from 0) and label_names.
#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "images/file_set.h"
#include "io/input_file.h"
#include "io/json_file.h"
#include "io/text_table.h"

namespace lowshot {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

const Json& list(const io::InputFile& file, const Json& root, const char* key) {
  const auto found = root.find(key);
  if (found == root.end()) {
    file.fail(fmt::format("the key \"{}\" is missing", key), "image_names and image_labels must be there");
  }
  if (!found->is_array())
    file.fail(fmt::format("\"{}\" must be a list and is of the type {}", key, found->type_name()));
  return *found;
}

std::vector<std::string> names(const io::InputFile& file, const Json& root, const char* key) {
  std::vector<std::string> result;
  for (const Json& name : list(file, root, key)) {
    if (!name.is_string()) {
      file.fail(
          fmt::format("\"{}\" must hold strings; entry {} is of the type {}", key, result.size(), name.type_name()));
    }
    result.push_back(name.get<std::string>());
    // A path ends at a NUL for the system, and no further name tells why a file is not found.
    if (result.back().empty() || result.back().find('\0') != std::string::npos) {
      file.fail(fmt::format("entry {} of \"{}\" is {}", result.size() - 1, key,
                            result.back().empty() ? "empty" : "no name: it holds a zero byte"));
    }
  }
  return result;
}

}  // namespace

std::unique_ptr<ImageSet> open_image_json(const fs::path& json, const fs::path& root) {
  const io::InputFile file(json);
  const Json content = io::read_json(file);
  if (!content.is_object()) {
    file.fail(fmt::format("expected a JSON object with image_names and image_labels and found the type {}",
                          content.type_name()));
  }
  images::NamedFiles set;
  set.kind = "json";
  set.root = root.empty() ? json.parent_path() : root;
  set.names = names(file, content, "image_names");
  if (set.names.empty()) file.fail("\"image_names\" is empty");
  if (content.contains("label_names")) set.class_names = names(file, content, "label_names");

  const Json& labels = list(file, content, "image_labels");
  if (labels.size() != set.names.size()) {
    file.fail(fmt::format("\"image_names\" has {} entries and \"image_labels\" {}", set.names.size(), labels.size()),
              "each image has one label");
  }
  const std::uint64_t most =
      set.class_names.empty() ? std::numeric_limits<std::int32_t>::max() : set.class_names.size() - 1;
  for (const Json& label : labels) {
    // Whole numbers from 0 are what the parser calls unsigned.
    if (!label.is_number_unsigned() || label.get<std::uint64_t>() > most) {
      file.fail(fmt::format("\"image_labels\" must hold whole numbers from 0 to {}; entry {} is not", most,
                            set.labels.size()));
    }
    set.labels.push_back(static_cast<std::int32_t>(label.get<std::uint64_t>()));
  }
  set.description = fmt::format("{} images that {} lists", set.names.size(), json.string());
  return images::make_file_set(std::move(set));
}

}  // namespace lowshot
