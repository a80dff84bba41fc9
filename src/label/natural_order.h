#pragma once

#include <string_view>

namespace lowshot::label {

/// Numbers within text by their value, whatever their length: shard_2 before shard_10. Texts that differ in leading
/// zeros alone are ordered byte by byte, so that the order is total.
bool natural_less(std::string_view a, std::string_view b);

}  // namespace lowshot::label
