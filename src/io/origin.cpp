// Where a derived file comes from: NAME.meta.json beside it, with hashes of the inputs and the options that count.
#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <utility>

#include "io/content_hash.h"
#include "io/input_file.h"
#include "lowshot/io.h"

namespace lowshot {
namespace {

using Json = nlohmann::json;

/// Raised when a derived file of the same inputs and options would get other content. The program's version is written
/// for people and not compared: an update alone throws no work away.
constexpr int origin_format = 1;

fs::path side_car(const fs::path& derived) {
  return derived.string() + ".meta.json";
}

Json object(const std::vector<std::pair<std::string, std::string>>& entries) {
  Json result = Json::object();
  for (const auto& [key, value] : entries) result[key] = value;
  return result;
}

bool entries(const Json& object, std::vector<std::pair<std::string, std::string>>& to) {
  if (!object.is_object()) return false;
  for (const auto& [key, value] : object.items()) {
    if (!value.is_string()) return false;
    to.emplace_back(key, value.get<std::string>());
  }
  return true;
}

}  // namespace

std::string hash_file(const fs::path& path) {
  const io::InputFile file(path);
  io::ContentHash hash;
  std::vector<char> block(std::min<std::uint64_t>(file.size(), 1 << 20));
  for (std::uint64_t begin = 0; begin < file.size(); begin += block.size()) {
    const std::uint64_t size = std::min<std::uint64_t>(block.size(), file.size() - begin);
    file.read_at(begin, block.data(), size);
    hash.add(block.data(), size);
  }
  return hash.hex();
}

std::string hash_text(std::string_view text) {
  io::ContentHash hash;
  hash.add(text.data(), text.size());
  return hash.hex();
}

void write_origin(const fs::path& derived, const Origin& origin) {
  Json json = {{"format", origin_format},
               {"inputs", object(origin.inputs)},
               {"options", object(origin.options)},
               {"program", "lowshot " LOWSHOT_VERSION}};
  if (!origin.content.empty()) json["content"] = origin.content;
  write_file(side_car(derived), json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

std::optional<Origin> read_origin(const fs::path& derived) {
  std::error_code ignored;
  if (!fs::exists(side_car(derived), ignored)) return {};
  const io::InputFile file(side_car(derived));
  std::string text(file.size(), '\0');
  file.read_at(0, text.data(), text.size());
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || json.value("format", Json()) != Json(origin_format)) return {};
  Origin origin;
  if (!entries(json.value("inputs", Json()), origin.inputs) || !entries(json.value("options", Json()), origin.options))
    return {};
  if (const Json content = json.value("content", Json()); content.is_string()) origin.content = content;
  return origin;
}

OriginState check_origin(const fs::path& derived, const Origin& origin) {
  std::error_code ignored;
  if (!fs::exists(side_car(derived), ignored)) return OriginState::absent;
  const std::optional<Origin> stored = read_origin(derived);
  const bool equal =
      stored && object(stored->inputs) == object(origin.inputs) && object(stored->options) == object(origin.options);
  return equal ? OriginState::equal : OriginState::different;
}

}  // namespace lowshot
