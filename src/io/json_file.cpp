#include "io/json_file.h"

#include <fmt/format.h>

#include <string>

namespace lowshot::io {

nlohmann::json read_json(const InputFile& file) {
  std::string text(file.size(), '\0');
  file.read_at(0, text.data(), text.size());
  try {
    return nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    file.fail(fmt::format("the JSON is malformed at byte {}", error.byte), "check it with a JSON parser");
  }
}

}  // namespace lowshot::io
