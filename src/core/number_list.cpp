#include "core/number_list.h"

#include <fmt/format.h>

#include <charconv>

#include "lowshot/error.h"

namespace lowshot {
namespace {

constexpr std::size_t most_numbers = 1'000'000;

std::uint32_t parse_number(std::string_view text, std::string_view whole, const std::string& option) {
  std::uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size())
    throw Error(ErrorKind::usage, fmt::format("'{}' is not a list of numbers", whole), option,
                "write it like 1,2,5 or 1-5");
  return value;
}

}  // namespace

std::vector<std::uint32_t> parse_number_list(std::string_view text, const std::string& option) {
  std::vector<std::uint32_t> values;
  std::string_view rest = text;
  while (true) {
    const std::size_t comma = rest.find(',');
    const std::string_view part = rest.substr(0, comma);
    const std::size_t dash = part.find('-');
    const std::uint32_t first = parse_number(part.substr(0, dash), text, option);
    const std::uint32_t last =
        dash == std::string_view::npos ? first : parse_number(part.substr(dash + 1), text, option);
    if (last < first || last - first > 100000)
      throw Error(ErrorKind::usage, fmt::format("'{}' is not a range of numbers", part), option, "write it like 1-5");
    // A few letters must not become gigabytes.
    if (values.size() + (last - first) >= most_numbers)
      throw Error(ErrorKind::usage, fmt::format("a list holds more than {} numbers", most_numbers), option);
    for (std::uint32_t v = first;; ++v) {
      values.push_back(v);
      if (v == last) break;
    }
    if (comma == std::string_view::npos) return values;
    rest.remove_prefix(comma + 1);
  }
}

}  // namespace lowshot
