#include "label/natural_order.h"

#include <algorithm>
#include <cstddef>

namespace lowshot::label {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// The digits at `at` without leading zeros; `at` moves behind them.
std::string_view take_number(std::string_view text, std::size_t& at) {
  const auto digits = [&](std::size_t from) {
    while (from < text.size() && is_digit(text[from])) ++from;
    return from;
  };
  const std::size_t end = digits(at);
  while (at < end && text[at] == '0') ++at;
  const std::string_view number = text.substr(at, end - at);
  at = end;
  return number;
}

}  // namespace

bool natural_less(std::string_view a, std::string_view b) {
  std::size_t i = 0, j = 0;
  while (i < a.size() && j < b.size()) {
    if (is_digit(a[i]) && is_digit(b[j])) {
      const std::string_view x = take_number(a, i), y = take_number(b, j);
      if (x.size() != y.size()) return x.size() < y.size();
      if (x != y) return x < y;
    } else {
      if (a[i] != b[j]) return static_cast<unsigned char>(a[i]) < static_cast<unsigned char>(b[j]);
      ++i;
      ++j;
    }
  }
  if ((i < a.size()) != (j < b.size())) return j < b.size();
  return a < b;
}

}  // namespace lowshot::label
