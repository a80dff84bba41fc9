#pragma once
// A small YAML file that a person wrote, read strictly: whatever is not understood is refused with file and line.

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

namespace lowshot::io {

class YamlFile {
 public:
  /// `kind` ("configuration") and `advice` are for the messages about a file that is no such thing. Throws Error
  /// (input) for more than 1 MiB, malformed YAML, no or several documents, anchors and aliases (YAML's means of making
  /// a small file large), and for lists and maps that nest more than 8 deep.
  YamlFile(const std::filesystem::path& path, const std::string& kind, const std::string& advice);

  const YAML::Node& root() const { return root_; }

  /// Throws Error (input) naming the file and the line of `mark`.
  [[noreturn]] void fail(const YAML::Mark& mark, const std::string& what, const std::string& advice = {}) const;

  /// Calls `on_entry` for each key of a map; it returns false for a key that it does not know, which is refused with
  /// the nearest of `known`. `name`: of the map. `known`: "scale, mean, std". A key that is there twice is refused.
  void each(const YAML::Node& map, const std::string& name, std::string_view known,
            const std::function<bool(const std::string& key, const YAML::Node& value)>& on_entry) const;

  std::string text(const YAML::Node& node, const std::string& key) const;  ///< not empty
  std::uint32_t whole(const YAML::Node& node, const std::string& key, std::uint32_t least, std::uint32_t most) const;
  bool truth(const YAML::Node& node, const std::string& key) const;

  static std::string shown(const YAML::Node& node);  ///< a scalar in quotes, "a list", "a map", "empty"

 private:
  std::filesystem::path path_;
  YAML::Node root_;
};

/// The word of `known` ("scale, mean, std") with the fewest letters to change, add or remove, where that is at most a
/// third of its length, rounded up; else empty.
std::string nearest_word(std::string_view word, std::string_view known);

}  // namespace lowshot::io
