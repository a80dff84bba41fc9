// lowshot report: tables, plots and the comparison with the paper from result files.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <stdexcept>

#include "common.h"
#include "lowshot/error.h"
#include "lowshot/io.h"
#include "lowshot/results.h"
#include "report/paper_table.h"
#include "report/result_page.h"
#include "report/result_table.h"
#include "report/table_text.h"

namespace lowshot::cli {
namespace {

struct Options {
  std::vector<std::string> folders;
  std::string mode = "test", iteration = "auto", against, csv, html, json;
};

IterationChoice iteration_choice(const std::string& text) {
  using Kind = IterationChoice::Kind;
  if (text == "auto") return {};
  if (text == "last") return {Kind::last, 0};
  if (text == "best") return {Kind::best, 0};
  const std::vector<std::uint32_t> numbers = parse_list(text, "--iteration");
  if (numbers.size() != 1)
    throw Error(ErrorKind::usage, fmt::format("'{}' is more than one iteration", text), "--iteration", "name one");
  return {Kind::number, numbers[0]};
}

Json cell_json(const ResultTable& table, std::size_t row, std::size_t c) {
  const Column& column = table.columns[c];
  const auto& cell = table.cells[row][c];
  Json json = {{"nlabeled", table.nlabeled[row]}, {"column", name(column)},
               {"method", column.method},         {"background_rows", column.background_rows},
               {"in_domain", column.in_domain},   {"seeds", cell ? Json(cell->seeds) : Json::array()},
               {"present", cell.has_value()}};
  if (!cell) return json;
  json["iteration"] = {cell->first_iteration, cell->last_iteration};
  json["settings"] = cell->settings;
  const auto put = [&](const char* key, const MeanStd& v) { json[key] = {{"mean", v.mean}, {"std", v.std}}; };
  put("top5_all", cell->all);
  put("top5_novel", cell->novel);
  put("top1_all", cell->top1_all);
  put("top1_novel", cell->top1_novel);
  return json;
}

Json report_json(const ResultTable& table, const std::vector<Comparison>& comparisons, bool compared) {
  Json cells = Json::array();
  for (std::size_t i = 0; i < table.nlabeled.size(); ++i)
    for (std::size_t c = 0; c < table.columns.size(); ++c) cells.push_back(cell_json(table, i, c));
  Json json = {{"mode", table.mode}, {"iteration", table.iteration}, {"unit", "percent"}, {"classes", table.classes},
               {"cells", cells},     {"notes", table.notes}};
  if (compared) {
    Json lines = Json::array();
    for (const Comparison& c : comparisons)
      lines.push_back({{"nlabeled", c.nlabeled},
                       {"column", c.column},
                       {"rows", c.novel ? "novel" : "all"},
                       {"ours", c.ours},
                       {"std", c.std},
                       {"paper", c.theirs},
                       {"difference", c.difference()},
                       {"inside", c.inside()}});
    json["against_paper"] = lines;
  }
  json["version"] = LOWSHOT_VERSION;
  return json;
}

void print_table(const ResultTable& table) {
  fmt::print(
      "Top-5 accuracy in percent on the {} classes, mean +/- population standard deviation over seeds {}: {}\n\n",
      table.mode == "val" ? "validation" : "test", list_text(table.seeds), table.iteration);
  fmt::print("{}\n{}", original_lines(table), aligned_tables(table));
  for (const std::string& note : table.notes) fmt::print("note: {}\n", note);
}

// The curves of the other mode are worth showing: test runs end at the chosen iteration, validation runs go beyond.
std::vector<ResultTable> tables_of_page(const ResultTable& table, const std::vector<ExperimentResult>& results) {
  std::vector<ResultTable> tables = {table};
  const std::string other = table.mode == "val" ? "test" : "val";
  if (std::any_of(results.begin(), results.end(), [&](const auto& r) { return setting(r, "mode") == other; }))
    tables.push_back(make_table(results, {other, {}}));
  return tables;
}

void execute(const Options& o) {
  for (const std::string& file : {o.csv, o.html, o.json})
    if (!file.empty()) require_writable(file);
  const bool compare = o.against == "paper";
  if (compare && o.mode != "test")
    throw Error(ErrorKind::usage, "the paper's numbers are of the test classes, and --mode val is given", "--against");
  const TableOptions options{o.mode, iteration_choice(o.iteration)};
  std::vector<ExperimentResult> results;
  for (const std::string& folder : o.folders) {
    std::vector<ExperimentResult> more = read_results(folder);
    std::move(more.begin(), more.end(), std::back_inserter(results));
  }
  const ResultTable table = make_table(results, options);
  std::vector<Comparison> comparisons;
  if (compare) comparisons = compare_with_paper(table);
  if (compare && comparisons.empty())
    throw Error(ErrorKind::usage, "no cell of the table is one of the paper's", "--against",
                "the paper has 1, 2, 5, 10 and 20 labels with 1M, 10M and 100M background images, and logreg");

  print_table(table);
  if (compare) fmt::print("\nBeside the paper\n{}", comparison_text(comparisons, table.classes));
  if (!o.csv.empty()) write_file(o.csv, csv_of(table));
  if (!o.html.empty())
    write_file(o.html, result_page({fmt::format("Results of {}", fmt::join(o.folders, ", ")),
                                    tables_of_page(table, results), comparisons}));
  if (!o.json.empty()) write_file(o.json, report_json(table, comparisons, compare).dump(2) + "\n");
  const auto outside = std::count_if(comparisons.begin(), comparisons.end(), [](const auto& c) { return !c.inside(); });
  if (outside != 0)  // exit code 1: everything was done, and the answer is no
    throw std::runtime_error(
        fmt::format("{} of {} cells are outside the paper's numbers", outside, comparisons.size()));
}

}  // namespace

void add_report(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("report", "Tables and plots of results, beside the paper's numbers");
  command->footer(
      "Example: the table on stdout, as CSV and as a page with plots:\n"
      "  lowshot report build/sweep --csv build/sweep/table.csv --html build/sweep/table.html");
  command->add_option("DIR", o->folders, "Folders of results that `lowshot sweep -o DIR` made")->required();
  command->add_option("--mode", o->mode, "Results on the test classes or on the validation classes (val)")
      ->check(CLI::IsMember({"val", "test"}))
      ->capture_default_str();
  command
      ->add_option("--iteration", o->iteration,
                   "Which scored iteration: last, best (mean over seeds of top-5; of all settings, too), a number; "
                   "auto: last for test, best for val")
      ->capture_default_str();
  command
      ->add_option("--against", o->against, "paper: the paper's numbers beside ours; exit code 1 where one is outside")
      ->check(CLI::IsMember({"paper"}));
  command->add_option("--csv", o->csv, "Write the table to this file, a line a cell");
  command->add_option("--html", o->html, "Write a page with tables and plots to this file");
  command->add_option("--json", o->json, "Write the table to this file as JSON");
  command->callback([o] { execute(*o); });
}

}  // namespace lowshot::cli
