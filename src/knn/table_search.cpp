#include "knn/table_search.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace lowshot {
namespace {

constexpr const char *method_entry = "method", *recall_entry = "recall";

const std::string* find(const Origin& origin, std::string_view name) {
  for (const auto& [key, value] : origin.options)
    if (key == name) return &value;
  return nullptr;
}

// 3925 as "3,925".
std::string grouped(std::uint64_t number) {
  return number < 1000 ? std::to_string(number) : fmt::format("{},{:03}", grouped(number / 1000), number % 1000);
}

}  // namespace

TableSearch search_of(const KnnOptions& options, const KnnReport& report) {
  if (report.method == KnnMethod::exact) return {};
  return {KnnMethod::join, options.effort.probes == 0 ? options.recall : std::min(options.recall, report.recall)};
}

TableSearch weaker(const TableSearch& table, const TableSearch& more) {
  if (table.method == KnnMethod::exact) return more;
  if (more.method == KnnMethod::exact) return table;
  return {KnnMethod::join, std::min(table.recall, more.recall)};
}

bool serves(const TableSearch& table, const KnnOptions& wish) {
  return table.method == KnnMethod::exact || (wish.method != KnnMethod::exact && table.recall >= wish.recall);
}

void record_search(Origin& origin, const TableSearch& search) {
  origin.options.emplace_back(method_entry, name(search.method));
  if (search.method == KnnMethod::join) origin.options.emplace_back(recall_entry, fmt::format("{}", search.recall));
}

std::optional<TableSearch> search_of(const Origin& origin) {
  const std::string *method = find(origin, method_entry), *recall = find(origin, recall_entry);
  if (method == nullptr || *method == name(KnnMethod::exact))
    return recall == nullptr ? std::optional(TableSearch{}) : std::nullopt;
  if (*method != name(KnnMethod::join) || recall == nullptr) return {};
  TableSearch search{KnnMethod::join, 0};
  const char* end = recall->data() + recall->size();
  const auto [stop, error] = std::from_chars(recall->data(), end, search.recall);
  if (error != std::errc() || stop != end || !(search.recall >= 0 && search.recall <= 1)) return {};
  return search;
}

std::optional<TableSearch> search_of_table(const fs::path& ids, const Origin& origin) {
  const std::optional<Origin> stored = read_origin(ids);
  if (!stored) return {};
  const std::optional<TableSearch> search = search_of(*stored);
  if (!search) return {};
  Origin whole = origin;
  for (const auto& entry : stored->options)
    if (entry.first == method_entry || entry.first == recall_entry) whole.options.push_back(entry);
  return check_origin(ids, whole) == OriginState::equal ? search : std::nullopt;
}

KnnOptions stored_options(KnnOptions options) {
  options.k = stored_k(options.k);
  return options;
}

std::string name(KnnMethod method) {
  switch (method) {
    case KnnMethod::automatic:
      return "auto";
    case KnnMethod::exact:
      return "exact";
    case KnnMethod::join:
      return "join";
  }
  return {};
}

std::string describe(const KnnReport& report) {
  if (report.method == KnnMethod::exact) return "exact";
  if (report.lists == 0) return fmt::format("join: recall {:.3f} on a sample of the rows", report.recall);  // streamed
  return fmt::format("join: recall {:.3f} on a sample of {} rows; {} of {} lists a row", report.recall,
                     grouped(report.sampled), grouped(report.probes), grouped(report.lists));
}

std::string describe(const TableSearch& search) {
  if (search.method == KnnMethod::exact) return "exact";
  return search.recall == 0 ? "of unknown recall" : fmt::format("join for recall {:.4g}", search.recall);
}

std::string describe_build(std::uint64_t rows, const KnnOptions& options) {
  return build_knn_method(rows, options) == KnnMethod::exact
             ? fmt::format("exact {}-nearest-neighbour graph", options.k)
             : fmt::format("{}-nearest-neighbour graph of recall {:.4g}", options.k, options.recall);
}

}  // namespace lowshot
