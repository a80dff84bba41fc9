#include "report/result_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "lowshot/memory.h"
#include "report/html.h"
#include "report/plot.h"

namespace lowshot {
namespace {

using html::escape;
using html::PlotAxis;
using html::Series;

constexpr std::size_t most_plotted_columns = 3 * html::plot_looks;  // more lines are a tangle

std::string mode_name(const ResultTable& table) {
  return table.mode == "val" ? "validation classes" : "test classes";
}

std::string table_html(const ResultTable& table, MeanStd Cell::*value) {
  std::string text = "<div class=\"wide\"><table><tr><th>labels a class</th>";
  for (const Column& column : table.columns) text += "<th>" + escape(name(column)) + "</th>";
  text += "</tr>\n";
  for (std::size_t i = 0; i < table.nlabeled.size(); ++i) {
    text += fmt::format("<tr><td>{}</td>", table.nlabeled[i]);
    for (const auto& cell : table.cells[i]) {
      if (!cell) {
        text += "<td>-</td>";
        continue;
      }
      text +=
          fmt::format("<td title=\"seeds {}; iteration {}{}{}\">{:.2f} <span class=\"quiet\">&plusmn; {:.3f}</span>",
                      list_text(cell->seeds), cell->first_iteration,
                      cell->first_iteration == cell->last_iteration ? "" : fmt::format(" to {}", cell->last_iteration),
                      escape(cell->settings.empty() ? "" : "; " + settings_text(cell->settings)), ((*cell).*value).mean,
                      ((*cell).*value).std);
      if (cell->seeds.size() != table.seeds.size())
        text += fmt::format(" <span class=\"quiet\">({} of {} seeds)</span>", cell->seeds.size(), table.seeds.size());
      text += "</td>";
    }
    text += "</tr>\n";
  }
  return text + "</table></div>\n";
}

std::string comparison_html(const std::vector<Comparison>& comparisons) {
  std::string text =
      "<div class=\"wide\"><table><tr><th>labels a class</th><th>column</th><th>rows</th><th>ours</th><th>paper</th>"
      "<th>difference</th><th></th></tr>\n";
  for (const Comparison& c : comparisons)
    text += fmt::format(
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{:.2f} &plusmn; {:.3f}</td><td>{:.2f}</td><td>{:+.2f}</td>"
        "<td class=\"{}\">{}</td></tr>\n",
        c.nlabeled, escape(c.column), c.novel ? "novel" : "all", c.ours, c.std, c.theirs, c.difference(),
        c.inside() ? "inside" : "outside", c.inside() ? "inside" : "outside");
  return text + fmt::format(
                    "</table></div>\n<p class=\"quiet\">Inside: the means differ by at most {} points and one standard "
                    "deviation of ours over the seeds.</p>\n",
                    paper_tolerance);
}

// --- plots -----------------------------------------------------------------------------------------------------------

std::string pair_of_plots(const std::string& title, const std::array<std::vector<Series>, 2>& series,
                          const PlotAxis& x) {
  const std::string all = html::line_plot(title + "all classes", series[0], x, "top-5 accuracy, %");
  return all.empty() ? "" : all + html::line_plot(title + "novel classes", series[1], x, "top-5 accuracy, %");
}

using Looks = std::map<Column, std::size_t>;

// A column looks the same in all plots of the page, also where other tables have other columns before it.
Looks looks_of(const std::vector<ResultTable>& tables) {
  Looks looks;
  for (const ResultTable& table : tables)
    for (const Column& column : table.columns) looks.emplace(column, looks.size());
  return looks;
}

std::string against_iteration(const ResultTable& table, const Looks& looks) {
  std::string text;
  for (const int rank : {0, 1})
    for (std::size_t i = 0; i < table.nlabeled.size(); ++i) {
      std::array<std::vector<Series>, 2> series;
      for (std::size_t c = 0; c < std::min(table.columns.size(), most_plotted_columns); ++c) {
        const auto& curve = table.curves[i][c];
        if (table.columns[c].rank != rank || curve.size() < 2) continue;
        for (const bool novel : {false, true}) {
          Series line{name(table.columns[c]), {}, looks.at(table.columns[c])};
          for (const CurvePoint& p : curve)
            line.points.push_back({static_cast<double>(p.iteration), novel ? p.novel : p.all, 0});
          series[novel ? 1 : 0].push_back(std::move(line));
        }
      }
      text += pair_of_plots(fmt::format("{} label{} a class, ", table.nlabeled[i], table.nlabeled[i] == 1 ? "" : "s"),
                            series, {rank == 0 ? "diffusion steps" : "SGD iterations"});
    }
  return text;
}

std::string against_labels(const ResultTable& table, const Looks& looks) {
  if (table.nlabeled.size() < 2) return {};
  std::array<std::vector<Series>, 2> series;
  for (std::size_t c = 0; c < std::min(table.columns.size(), most_plotted_columns); ++c)
    for (const bool novel : {false, true}) {
      Series line{name(table.columns[c]), {}, looks.at(table.columns[c])};
      for (std::size_t i = 0; i < table.nlabeled.size(); ++i)
        if (const auto& cell = table.cells[i][c]) {
          const MeanStd& v = novel ? cell->novel : cell->all;
          line.points.push_back({static_cast<double>(table.nlabeled[i]), v.mean, v.std});
        }
      series[novel ? 1 : 0].push_back(std::move(line));
    }
  PlotAxis x{"labels a class", true};
  for (const std::uint32_t n : table.nlabeled) x.ticks.emplace_back(n, std::to_string(n));
  return pair_of_plots("", series, x);
}

std::string against_background(const ResultTable& table) {
  std::array<std::vector<Series>, 2> series;
  PlotAxis x{"background images", true};
  for (std::size_t i = 0; i < table.nlabeled.size(); ++i)
    for (const bool novel : {false, true}) {
      Series line{fmt::format("nl={}", table.nlabeled[i]), {}, i};
      for (std::size_t c = 0; c < table.columns.size(); ++c) {
        const Column& column = table.columns[c];
        const auto& cell = table.cells[i][c];
        if (column.rank != 0 || column.in_domain || !column.background.empty() || !column.variant.empty() || !cell)
          continue;
        const MeanStd& v = novel ? cell->novel : cell->all;
        line.points.push_back({static_cast<double>(column.background_rows), v.mean, v.std});
        const std::pair<double, std::string> tick(column.background_rows, size_name(column.background_rows));
        if (std::find(x.ticks.begin(), x.ticks.end(), tick) == x.ticks.end()) x.ticks.push_back(tick);
      }
      series[novel ? 1 : 0].push_back(std::move(line));
    }
  return x.ticks.size() < 2 ? "" : pair_of_plots("", series, x);
}

// --- cost ------------------------------------------------------------------------------------------------------------

std::string seconds_text(double seconds) {
  return seconds < 120    ? fmt::format("{:.3g} s", seconds)
         : seconds < 7200 ? fmt::format("{:.1f} min", seconds / 60)
                          : fmt::format("{:.1f} h", seconds / 3600);
}

std::string cost_html(const ResultTable& table) {
  std::vector<html::Bar> runs, memory;
  std::string phases;
  for (std::size_t c = 0; c < table.columns.size(); ++c) {
    const Cost& cost = table.costs[c];
    const std::string column = name(table.columns[c]);
    runs.push_back({column, seconds_text(cost.run_seconds), cost.run_seconds});
    memory.push_back({column, format_bytes(cost.peak_rss_bytes), static_cast<double>(cost.peak_rss_bytes)});
    std::vector<html::Bar> bars;
    for (const auto& [phase, seconds] : cost.phase_seconds) bars.push_back({phase, seconds_text(seconds), seconds});
    std::stable_sort(bars.begin(), bars.end(), [](const auto& a, const auto& b) { return a.value > b.value; });
    if (!bars.empty())
      phases += fmt::format("<h3>{} <span class=\"quiet\">{}</span></h3>\n", escape(column), escape(cost.device)) +
                html::bars(bars);
  }
  return "<h3>An experiment by itself, mean</h3>\n" + html::bars(runs) + "<h3>Largest memory of the process</h3>\n" +
         html::bars(memory) +
         "<h2>Time by phase</h2>\n<p class=\"quiet\">Mean over the units that the experiments ran in; what several "
         "experiments share is in it once a unit.</p>\n" +
         phases;
}

std::string plots(const std::string& heading, const std::string& content) {
  return content.empty() ? "" : fmt::format("<h2>{}</h2>\n<div class=\"plots\">{}</div>\n", escape(heading), content);
}

}  // namespace

std::string result_page(const ResultPage& page) {
  const ResultTable& table = page.tables.front();
  const Looks looks = looks_of(page.tables);
  std::string body = fmt::format(
      "<p>Top-5 accuracy in percent on the {}{}, mean &plusmn; population standard deviation over seeds {}; {}. "
      "A cell names its seeds, iteration and settings when the pointer rests on it.</p>\n",
      mode_name(table), table.classes == 0 ? "" : fmt::format(" ({})", table.classes), list_text(table.seeds),
      escape(table.iteration));
  body += "<h2>All classes</h2>\n" + table_html(table, &Cell::all);
  body += "<h2>Novel classes</h2>\n" + table_html(table, &Cell::novel);
  if (!table.notes.empty()) {
    body += "<ul>";
    for (const std::string& note : table.notes) body += "<li>" + escape(note) + "</li>";
    body += "</ul>\n";
  }
  if (!page.comparisons.empty()) body += "<h2>Beside the paper</h2>\n" + comparison_html(page.comparisons);
  body += plots("Accuracy against the number of labels", against_labels(table, looks));
  body += plots("Accuracy against the size of the background", against_background(table));
  for (const ResultTable& t : page.tables)
    body += plots("Accuracy against the iteration, " + mode_name(t), against_iteration(t, looks));
  body += "<h2>Time and memory</h2>\n" + cost_html(table);
  return html::page(page.title, body);
}

}  // namespace lowshot
