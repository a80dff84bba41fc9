#include "checkpoint/utf8.h"

#include <algorithm>
#include <cstdint>

namespace lowshot::checkpoint {

bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto first = static_cast<std::uint8_t>(text[i++]);
    if (first < 0x80) continue;
    if (first < 0xc2 || first > 0xf4) return false;
    const int following = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
    // Only the first of the following bytes has a narrower range, after four of the leading bytes.
    std::uint8_t low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    std::uint8_t high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    for (int k = 0; k < following; ++k, low = 0x80, high = 0xbf) {
      if (i == text.size()) return false;
      const auto next = static_cast<std::uint8_t>(text[i++]);
      if (next < low || next > high) return false;
    }
  }
  return true;
}

std::string shown(std::string_view text) {
  constexpr std::size_t longest = 100;
  std::size_t length = std::min(text.size(), longest);
  const auto is_following = [](char c) { return (static_cast<std::uint8_t>(c) & 0xc0) == 0x80; };
  while (length > 0 && length < text.size() && is_following(text[length])) --length;
  const bool utf8 = is_utf8(text.substr(0, length));
  std::string result = "'";
  for (const char c : text.substr(0, length)) {
    const auto byte = static_cast<std::uint8_t>(c);
    result.push_back(byte < 0x20 || byte == 0x7f || (byte >= 0x80 && !utf8) ? '?' : c);
  }
  return result + (length < text.size() ? "...'" : "'");
}

}  // namespace lowshot::checkpoint
