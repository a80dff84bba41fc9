#include "report/paper_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace lowshot {
namespace {

constexpr std::uint64_t million = 1'000'000;

constexpr std::array<PaperRow, 20> rows = {{
    {1, 1 * million, 61.24, 43.54},    {1, 10 * million, 62.64, 45.76},
    {1, 100 * million, 63.50, 47.42},  {1, 0, 60.32, 42.50},
    {2, 1 * million, 66.62, 52.44},    {2, 10 * million, 68.24, 55.14},
    {2, 100 * million, 69.42, 56.92},  {2, 0, 68.86, 54.48},
    {5, 1 * million, 72.44, 61.92},    {5, 10 * million, 74.00, 64.58},
    {5, 100 * million, 75.16, 66.20},  {5, 0, 79.06, 71.36},
    {10, 1 * million, 76.12, 67.86},   {10, 10 * million, 77.40, 69.94},
    {10, 100 * million, 78.50, 71.68}, {10, 0, 83.44, 78.62},
    {20, 1 * million, 79.02, 72.50},   {20, 10 * million, 79.94, 74.08},
    {20, 100 * million, 80.76, 75.26}, {20, 0, 86.00, 82.92},
}};

const PaperRow* paper_row(const Column& column, std::uint32_t nlabeled) {
  // The paper has background alone, not on top of the in-domain images.
  const bool diffusion =
      column.rank == 0 && !column.in_domain && column.background.empty() && column.background_rows > 0;
  if (!diffusion && column.rank != 1) return nullptr;
  for (const PaperRow& row : rows)
    if (row.nlabeled == nlabeled && row.background_rows == column.background_rows) return &row;
  return nullptr;
}

}  // namespace

std::span<const PaperRow> paper_rows() {
  return rows;
}

double Comparison::difference() const {
  const double d = ours - theirs;
  return std::abs(d) < .005 ? 0 : d;  // both are shown with two decimals
}

bool Comparison::inside() const {
  return std::abs(ours - theirs) <= paper_tolerance + std;
}

std::vector<Comparison> compare_with_paper(const ResultTable& table) {
  std::vector<Comparison> comparisons;
  if (table.mode != "test") return comparisons;
  for (std::size_t i = 0; i < table.nlabeled.size(); ++i)
    for (std::size_t c = 0; c < table.columns.size(); ++c) {
      const PaperRow* paper = paper_row(table.columns[c], table.nlabeled[i]);
      const auto& cell = table.cells[i][c];
      if (paper == nullptr || !cell) continue;
      const std::string column = name(table.columns[c]);
      comparisons.push_back({table.nlabeled[i], column, false, cell->all.mean, cell->all.std, paper->all});
      comparisons.push_back({table.nlabeled[i], column, true, cell->novel.mean, cell->novel.std, paper->novel});
    }
  return comparisons;
}

std::string comparison_text(const std::vector<Comparison>& comparisons, std::uint32_t classes) {
  std::size_t width = 6;
  for (const Comparison& c : comparisons) width = std::max(width, c.column.size());
  std::string text = fmt::format("{:>3}  {:<{}}  {:<5}  {:>16}  {:>6}  {:>10}\n", "nl", "column", width, "rows", "ours",
                                 "paper", "difference");
  for (const Comparison& c : comparisons)
    text += fmt::format("{:>3}  {:<{}}  {:<5}  {:>6.2f} +/- {:.3f}  {:>6.2f}  {:>+10.2f}  {}\n", c.nlabeled, c.column,
                        width, c.novel ? "novel" : "all", c.ours, c.std, c.theirs, c.difference(),
                        c.inside() ? "inside" : "outside");
  const auto inside = std::count_if(comparisons.begin(), comparisons.end(), [](const auto& c) { return c.inside(); });
  text += fmt::format(
      "{} of {} inside: the means differ by at most {} points and one standard deviation of ours over the seeds.\n",
      inside, comparisons.size(), paper_tolerance);
  if (classes != paper_classes)
    text += fmt::format("These results have {} classes and the paper's {}: they are of another data set.\n", classes,
                        paper_classes);
  return text;
}

}  // namespace lowshot
