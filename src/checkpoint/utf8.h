#pragma once
// Whether bytes are text: names of tensors go into JSON and onto the screen.

#include <string_view>

namespace lowshot::checkpoint {

/// Valid UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

}  // namespace lowshot::checkpoint
