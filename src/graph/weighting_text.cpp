#include <fmt/format.h>

#include <charconv>
#include <cmath>

#include "lowshot/edge_weights.h"
#include "lowshot/error.h"

namespace lowshot {
namespace {

constexpr std::string_view cosine = "cosine:";

}  // namespace

Weighting weighting_of(const std::string& text) {
  using Kind = Weighting::Kind;
  if (text == "unit") return {};
  if (text == "selftuning") return {.kind = Kind::self_tuning};
  if (text != "cosine" && text.rfind(cosine, 0) != 0) return {.kind = Kind::listed, .file = text};
  Weighting weighting{.kind = Kind::cosine, .exponent = 0};
  const char *const end = text.data() + text.size(), *const begin = text.data() + std::min(cosine.size(), text.size());
  const auto [stop, error] = std::from_chars(begin, end, weighting.exponent);
  if (error != std::errc() || stop != end || !std::isfinite(weighting.exponent) || weighting.exponent <= 0)
    throw Error(ErrorKind::usage, fmt::format("'{}' needs an exponent above 0 for the cosine", text), "--weights",
                "write it like cosine:3");
  return weighting;
}

std::string text_of(const Weighting& weighting) {
  switch (weighting.kind) {
    case Weighting::Kind::unit:
      return "unit";
    case Weighting::Kind::cosine:
      return fmt::format("{}{}", cosine, weighting.exponent);
    case Weighting::Kind::self_tuning:
      return "selftuning";
    case Weighting::Kind::listed:
      return weighting.file.string();
  }
  return "";
}

}  // namespace lowshot
