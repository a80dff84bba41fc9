#pragma once
// Whether bytes are text: names of tensors go into JSON and onto the screen.

#include <string>
#include <string_view>

namespace lowshot::checkpoint {

/// Valid UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF.
bool is_utf8(std::string_view text);

/// A name out of a file as messages show it: in quotes, cut where it is long; control characters, and all beyond ASCII
/// where the whole is not UTF-8, become question marks.
std::string shown(std::string_view text);

}  // namespace lowshot::checkpoint
