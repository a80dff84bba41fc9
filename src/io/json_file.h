#pragma once
// JSON files that people write.

#include <nlohmann/json.hpp>

#include "io/input_file.h"

namespace lowshot::io {

/// The whole file. Throws Error (input) naming the byte where it is no JSON.
nlohmann::json read_json(const InputFile& file);

}  // namespace lowshot::io
