// lowshot select: hyper-parameters from validation results, and the plan of the test runs.
#include "lowshot/select.h"

#include <fmt/format.h>

#include <map>
#include <memory>

#include "common.h"
#include "lowshot/error.h"
#include "lowshot/io.h"

namespace lowshot::cli {
namespace {

struct Options {
  std::string folder, criterion = "top5_all", plan, json;
};

const std::map<std::string, Criterion> criteria = {{"top5_all", Criterion::top5_all},
                                                   {"top5_novel", Criterion::top5_novel},
                                                   {"mean", Criterion::mean},
                                                   {"top1_all", Criterion::top1_all}};

bool is_always_named(const std::string& key) {
  return key == "lr" || key == "wd" || key == "batchsize" || key == "mom";
}

// The settings that are the method's own to choose, and others where the chosen and the next candidate differ in them.
std::string settings_of(const Candidate& c, const Choice& choice) {
  std::string text;
  for (const auto& [key, value] : c.settings) {
    const auto differs = [&, k = key](const Candidate& other) {
      const auto found = other.settings.find(k);
      const auto chosen = choice.chosen.settings.find(k);
      return found != other.settings.end() && chosen != choice.chosen.settings.end() && found->second != chosen->second;
    };
    if (is_always_named(key) || differs(c) || (choice.runner_up && differs(*choice.runner_up)))
      text += fmt::format("{} {}, ", key, value);
  }
  return fmt::format("{}{} iteration{}", text, c.iteration, c.iteration == 1 ? "" : "s");
}

std::string value_of(const Candidate& c) {
  return c.standard_error < 0 ? fmt::format("{:.2f}", 100 * c.mean)
                              : fmt::format("{:.2f} +/- {:.2f}", 100 * c.mean, 100 * c.standard_error);
}

std::string beside(const Choice& c) {
  std::string text;
  if (c.runner_up) text = fmt::format("next: {} ({:.2f})", settings_of(*c.runner_up, c), 100 * c.runner_up->mean);
  if (c.simpler)
    text += fmt::format("{}within one standard error: {} ({:.2f})", text.empty() ? "" : "; ",
                        settings_of(*c.simpler, c), 100 * c.simpler->mean);
  return text;
}

void print_table(const Selection& selection, const std::string& criterion) {
  fmt::print("Chosen by {} on the validation classes, in percent, with the standard error of the mean\n", criterion);
  std::vector<std::vector<std::string>> rows = {{"method", "background", "nl", "chosen", "mean", "seeds", ""}};
  for (const Choice& c : selection.choices)
    rows.push_back({c.method, c.background.empty() ? "-" : c.background, std::to_string(c.nlabeled),
                    settings_of(c.chosen, c), value_of(c.chosen), std::to_string(c.chosen.seeds.size()), beside(c)});
  std::vector<std::size_t> widths(rows[0].size(), 0);
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  for (const auto& row : rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) fmt::print("{:<{}}  ", row[i], widths[i]);
    fmt::print("{}\n", row.back());
  }
}

Json candidate_json(const Candidate& c) {
  Json json = {{"settings", c.settings}, {"iteration", c.iteration}, {"mean", c.mean}, {"seeds", c.seeds}};
  json["standard_error"] = c.standard_error < 0 ? Json() : Json(c.standard_error);
  return json;
}

Json selection_json(const Selection& selection, const std::string& criterion) {
  Json choices = Json::array();
  for (const Choice& c : selection.choices) {
    Json choice = {{"method", c.method},
                   {"background", c.background},
                   {"nlabeled", c.nlabeled},
                   {"fixed", c.fixed},
                   {"chosen", candidate_json(c.chosen)}};
    choice["runner_up"] = c.runner_up ? candidate_json(*c.runner_up) : Json();
    choice["simpler"] = c.simpler ? candidate_json(*c.simpler) : Json();
    choices.push_back(choice);
  }
  return {{"metric", criterion}, {"choices", choices}, {"warnings", selection.warnings}, {"version", LOWSHOT_VERSION}};
}

void execute(const Options& o) {
  for (const std::string& file : {o.plan, o.json})
    if (!file.empty()) require_writable(file);
  const Selection selection = select(read_results(o.folder), criteria.at(o.criterion));
  print_table(selection, o.criterion);
  for (const std::string& warning : selection.warnings) fmt::print("note: {}\n", warning);
  if (!o.plan.empty()) {
    write_file(o.plan,
               fmt::format("# Test runs with what `lowshot select --metric {}` chose on the validation classes.\n",
                           o.criterion) +
                   plan_of(selection, fs::path(o.plan).stem().string()));
    fmt::print("The test runs: lowshot sweep {} -o {}\n", o.plan, o.folder);
  }
  if (!o.json.empty()) write_file(o.json, selection_json(selection, o.criterion).dump(2) + "\n");
}

}  // namespace

void add_select(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("select", "Choose hyper-parameters from validation results");
  command->footer(
      "Example: the settings with the best mean over seeds, and the plan of the test runs with them:\n"
      "  lowshot select build/sweep -o build/sweep/test.yaml");
  command->add_option("DIR", o->folder, "Folder of results that `lowshot sweep -o DIR` made")->required();
  command
      ->add_option("--metric", o->criterion, "What to choose by: top5_all, top5_novel, mean (of these two), top1_all")
      ->check(CLI::IsMember({"top5_all", "top5_novel", "mean", "top1_all"}))
      ->capture_default_str();
  command->add_option("-o,--output", o->plan, "Write the plan of the test runs to this file");
  command->add_option("--json", o->json, "Write the choices to this file as JSON");
  command->callback([o] { execute(*o); });
}

}  // namespace lowshot::cli
