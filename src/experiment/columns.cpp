#include "experiment/columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <string_view>

namespace lowshot {
namespace {

// What names the cell of the table.
constexpr std::array<std::string_view, 6> cell_settings = {"mode", "nlabeled",  "seed",
                                                           "nbg",  "in-domain", "background"};
// What cannot change an accuracy.
constexpr std::array<std::string_view, 18> run_settings = {
    "work", "lslice",  "prune",   "threads", "memory",  "isa",         "device",      "json",       "quiet",
    "of",   "verbose", "dry-run", "storeL",  "storeLs", "storeLiters", "predictions", "storemodel", "storage"};
constexpr std::array<std::string_view, 2> length_settings = {"niter", "maxiter"};

template <std::size_t N>
bool holds(const std::array<std::string_view, N>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace

std::string setting(const ExperimentResult& result, const std::string& key) {
  const auto found = result.settings.find(key);
  return found == result.settings.end() ? std::string() : found->second;
}

Column column_of(const ExperimentResult& result) {
  Column column;
  column.method = result.method;
  column.rank = result.method == "diffusion" ? 0 : result.method == "logreg" ? 1 : result.method == "combine" ? 2 : 3;
  if (column.rank == 1) return column;  // it knows no background
  const std::string rows = setting(result, "nbg");
  std::from_chars(rows.data(), rows.data() + rows.size(), column.background_rows);  // 0 where there is none
  column.in_domain = setting(result, "in-domain") == "true";
  column.background = setting(result, "background");
  if (column.background == "default") column.background.clear();  // the data directory's
  return column;
}

std::string size_name(std::uint64_t rows) {
  if (rows == 0) return "none";
  if (rows % 1'000'000 == 0) return fmt::format("{}M", rows / 1'000'000);
  if (rows % 1'000 == 0) return fmt::format("{}k", rows / 1'000);
  return std::to_string(rows);
}

std::string background_name(const Column& column) {
  std::string text = column.background.empty() ? size_name(column.background_rows) : column.background;
  if (!column.in_domain) return text;
  return text == "none" ? "in-domain" : "in-domain + " + text;
}

std::string name(const Column& column) {
  std::string text = column.rank == 0   ? background_name(column)
                     : column.rank == 1 ? "logreg"
                     : column.rank == 2 ? "combined, " + background_name(column)
                                        : column.method;
  if (!column.variant.empty()) text += " [" + column.variant + "]";
  return text;
}

Settings telling_settings(const ExperimentResult& result, bool with_length) {
  Settings telling;
  for (const auto& [key, value] : result.settings)
    if (!holds(cell_settings, key) && !holds(run_settings, key) && (with_length || !holds(length_settings, key)))
      telling.emplace(key, value);
  if (setting(result, "knn") == "exact") telling.erase("recall");  // nobody asked for it
  return telling;
}

std::string settings_text(const Settings& settings) {
  std::string text;
  for (const auto& [key, value] : settings) text += fmt::format("{}{}={}", text.empty() ? "" : " ", key, value);
  return text;
}

std::string list_text(const std::vector<std::uint32_t>& numbers) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size();) {
    std::size_t end = i + 1;
    while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
    if (!text.empty()) text += ",";
    text += end - i >= 3 ? fmt::format("{}-{}", numbers[i], numbers[end - 1]) : std::to_string(numbers[i]);
    i = end - i >= 3 ? end : i + 1;
  }
  return text;
}

}  // namespace lowshot
