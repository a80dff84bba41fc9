// Selection of hyper-parameters (lowshot/select.h).
#include "lowshot/select.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <tuple>

#include "experiment/columns.h"
#include "lowshot/error.h"

namespace lowshot {
namespace {

double value_of(const Accuracy& a, Criterion criterion) {
  switch (criterion) {
    case Criterion::top5_all:
      return a.top5_all;
    case Criterion::top5_novel:
      return a.top5_novel;
    case Criterion::mean:
      return (a.top5_all + a.top5_novel) / 2;
    case Criterion::top1_all:
      return a.top1_all;
  }
  return 0;
}

// The runs of one setting in a cell: iteration -> seed -> value. Runs that differ in their length alone are the same
// run, scored twice where both went.
struct Runs {
  Settings settings;
  std::map<std::uint32_t, std::map<std::uint32_t, double>> values;
};

struct Cell {
  std::vector<Runs> runs;  // in the order of the results
  std::set<std::uint32_t> seeds;
  Settings fixed;
};

void add(Cell& cell, const ExperimentResult& result, Criterion criterion) {
  Settings settings = telling_settings(result, false);
  auto runs = std::find_if(cell.runs.begin(), cell.runs.end(), [&](const Runs& r) { return r.settings == settings; });
  if (runs == cell.runs.end()) runs = cell.runs.insert(runs, Runs{std::move(settings), {}});
  for (const ScoredIteration& i : result.iterations)
    if (i.iteration != 0 || result.method == "diffusion")  // weights that were not trained are no choice
      runs->values[i.iteration].emplace(result.seed, value_of(i.accuracy, criterion));
  cell.seeds.insert(result.seed);
  for (const char* key : {"nbg", "in-domain", "background"})
    if (const std::string value = setting(result, key); !value.empty()) cell.fixed[key] = value;
}

Candidate candidate(const Settings& settings, std::uint32_t iteration, const std::map<std::uint32_t, double>& values) {
  Candidate c{settings, iteration, 0, -1, {}};
  const auto n = static_cast<double>(values.size());
  for (const auto& [seed, value] : values) {
    c.seeds.push_back(seed);
    c.mean += value / n;
  }
  if (values.size() < 2) return c;
  double squares = 0;
  for (const auto& [seed, value] : values) squares += (value - c.mean) * (value - c.mean);
  c.standard_error = std::sqrt(squares / (n - 1) / n);
  return c;
}

// Means of equal values in another order differ in their last bits: those are ties.
constexpr double tie = 1e-12;

std::string cell_text(const Choice& c) {
  return fmt::format("{}{}{}, nl={}", c.method, c.background.empty() ? "" : " ", c.background, c.nlabeled);
}

// Who misses seeds, said once a cell.
void warn_of_seeds(const Cell& cell, const Choice& choice, std::size_t most, std::vector<std::string>& warnings) {
  std::size_t left_out = 0;
  std::string example;
  for (const Runs& runs : cell.runs) {
    std::set<std::uint32_t> missing = cell.seeds;
    std::size_t best = 0;
    for (const auto& [iteration, values] : runs.values) {
      best = std::max(best, values.size());
      for (const auto& [seed, value] : values) missing.erase(seed);
    }
    if (best >= most) continue;
    ++left_out;
    if (example.empty())
      example = fmt::format("{} misses seed {}", settings_text(runs.settings),
                            list_text(std::vector<std::uint32_t>(missing.begin(), missing.end())));
  }
  if (left_out != 0)
    warnings.push_back(fmt::format("{}: {} of {} settings are left out, as they have fewer seeds than the others ({})",
                                   cell_text(choice), left_out, cell.runs.size(), example));
}

Choice choose(const Cell& cell, Choice choice, std::vector<std::string>& warnings) {
  std::size_t most = 0;
  for (const Runs& runs : cell.runs)
    for (const auto& [iteration, values] : runs.values) most = std::max(most, values.size());
  std::vector<Candidate> candidates;  // by iteration, then in the order of the results: the order that settles ties
  for (const Runs& runs : cell.runs)
    for (const auto& [iteration, values] : runs.values)
      if (values.size() == most) candidates.push_back(candidate(runs.settings, iteration, values));
  std::stable_sort(candidates.begin(), candidates.end(),
                   [](const Candidate& a, const Candidate& b) { return a.iteration < b.iteration; });
  const auto best_of = [&](const auto& counts) {
    const Candidate* best = nullptr;
    for (const Candidate& c : candidates)
      if (counts(c) && (best == nullptr || c.mean > best->mean + tie)) best = &c;
    return best == nullptr ? std::optional<Candidate>() : *best;
  };
  choice.chosen = *best_of([](const Candidate&) { return true; });
  const Candidate& chosen = choice.chosen;
  choice.runner_up = best_of([&](const Candidate& c) { return c.settings != chosen.settings; });
  if (!choice.runner_up)
    choice.runner_up = best_of([&](const Candidate& c) { return c.iteration != chosen.iteration; });
  for (const Candidate& c : candidates)
    if (chosen.standard_error >= 0 && c.iteration < chosen.iteration && c.mean >= chosen.mean - chosen.standard_error) {
      choice.simpler = c;
      break;
    }

  warn_of_seeds(cell, choice, most, warnings);
  if (most < cell.seeds.size())
    warnings.push_back(fmt::format("{}: no setting has all {} seeds; the choice is among those with {}",
                                   cell_text(choice), cell.seeds.size(), most));
  if (candidates.back().iteration == chosen.iteration && candidates.front().iteration != chosen.iteration)
    warnings.push_back(fmt::format("{}: the best iteration, {}, is the last that was scored; longer runs may be better",
                                   cell_text(choice), chosen.iteration));
  return choice;
}

}  // namespace

Selection select(std::span<const ExperimentResult> results, Criterion criterion) {
  std::map<std::tuple<Column, std::uint32_t>, Cell> cells;
  std::map<Column, std::set<std::uint32_t>> seeds;
  std::set<std::string> directories;
  for (const ExperimentResult& result : results) {
    if (setting(result, "mode") != "val" || (result.method != "diffusion" && result.method != "logreg")) continue;
    const Column column = column_of(result);
    add(cells[{column, result.nlabeled}], result, criterion);
    seeds[column].insert(result.seed);
    directories.insert(setting(result, "data"));
  }
  if (cells.empty())
    throw Error(ErrorKind::input, fmt::format("none of {} results is of --mode val", results.size()), "",
                "hyper-parameters are chosen from validation runs: run the plan's val groups first");
  if (directories.size() > 1)
    throw Error(ErrorKind::input,
                fmt::format("the results are of {} data directories, {} and {} among them", directories.size(),
                            *directories.begin(), *directories.rbegin()),
                "", "choose from the results of one");
  Selection selection;
  for (const auto& [key, cell] : cells) {
    const auto& [column, nlabeled] = key;
    Choice choice;
    choice.method = column.method;
    choice.background = column.rank == 0 ? background_name(column) : "";
    choice.nlabeled = nlabeled;
    choice.fixed = cell.fixed;
    selection.choices.push_back(choose(cell, std::move(choice), selection.warnings));
    std::vector<std::uint32_t> missing;
    for (const std::uint32_t seed : seeds.at(column))
      if (cell.seeds.count(seed) == 0) missing.push_back(seed);
    if (!missing.empty())
      selection.warnings.push_back(fmt::format("{}: seed {} is missing, which other numbers of labels have",
                                               cell_text(selection.choices.back()), list_text(missing)));
  }
  return selection;
}

}  // namespace lowshot
