#include "report/table_text.h"

#include <fmt/format.h>

#include <algorithm>

namespace lowshot {
namespace {

std::string quoted(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + "\"";
}

std::string aligned(const ResultTable& table, MeanStd Cell::*value, const std::string& title) {
  std::vector<std::vector<std::string>> rows(1, {"nl"});
  for (const Column& column : table.columns) rows[0].push_back(name(column));
  for (std::size_t i = 0; i < table.nlabeled.size(); ++i) {
    rows.push_back({std::to_string(table.nlabeled[i])});
    for (const auto& cell : table.cells[i]) rows.back().push_back(value_text(cell, value));
  }
  std::vector<std::size_t> widths(rows[0].size(), 0);
  for (const auto& row : rows)
    for (std::size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], row[c].size());
  std::string text = title + "\n";
  for (const auto& row : rows) {
    for (std::size_t c = 0; c < row.size(); ++c) text += fmt::format("{}{:>{}}", c == 0 ? "" : "  ", row[c], widths[c]);
    text += "\n";
  }
  return text;
}

}  // namespace

std::string value_text(const std::optional<Cell>& cell, MeanStd Cell::*value) {
  return cell ? fmt::format("{:.2f} +/- {:.3f}", ((*cell).*value).mean, ((*cell).*value).std) : "-";
}

std::string original_lines(const ResultTable& table) {
  std::string text;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    text += fmt::format("{}:\n", name(table.columns[c]));
    for (std::size_t i = 0; i < table.nlabeled.size(); ++i) {
      const auto& cell = table.cells[i][c];
      text += cell ? fmt::format("nl={}: {}, novel {}\n", table.nlabeled[i], value_text(cell, &Cell::all),
                                 value_text(cell, &Cell::novel))
                   : fmt::format("nl={}: -\n", table.nlabeled[i]);
    }
  }
  return text;
}

std::string aligned_tables(const ResultTable& table) {
  return aligned(table, &Cell::all, "All classes") + "\n" + aligned(table, &Cell::novel, "Novel classes");
}

std::string csv_of(const ResultTable& table) {
  std::string text =
      "mode,nlabeled,column,method,background_rows,in_domain,seeds,iteration,all_mean,all_std,novel_mean,novel_std,"
      "top1_all_mean,top1_all_std,top1_novel_mean,top1_novel_std\n";
  for (std::size_t i = 0; i < table.nlabeled.size(); ++i)
    for (std::size_t c = 0; c < table.columns.size(); ++c) {
      const Column& column = table.columns[c];
      const auto& cell = table.cells[i][c];
      text += fmt::format("{},{},{},{},{},{},{},", table.mode, table.nlabeled[i], quoted(name(column)),
                          quoted(column.method), column.background_rows, column.in_domain ? 1 : 0,
                          cell ? cell->seeds.size() : 0);
      if (!cell) {
        text += ",,,,,,,,\n";
        continue;
      }
      // Seeds may end at iterations of their own (a combination of runs); then no single one is true.
      text += cell->first_iteration == cell->last_iteration ? std::to_string(cell->last_iteration) : "";
      for (const MeanStd& v : {cell->all, cell->novel, cell->top1_all, cell->top1_novel})
        text += fmt::format(",{:.4f},{:.4f}", v.mean, v.std);
      text += "\n";
    }
  return text;
}

}  // namespace lowshot
