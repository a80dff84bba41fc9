#include "report/result_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "lowshot/error.h"

namespace lowshot {
namespace {

using Kind = IterationChoice::Kind;

// Runs that differ in their seed alone.
struct Runs {
  Settings settings;
  std::map<std::uint32_t, const ExperimentResult*> by_seed;
};
using CellRuns = std::vector<Runs>;
using Grid = std::map<Column, std::map<std::uint32_t, CellRuns>>;  // column -> nlabeled -> runs

const ScoredIteration* scored(const ExperimentResult& result, std::uint32_t iteration) {
  for (const ScoredIteration& i : result.iterations)
    if (i.iteration == iteration) return &i;
  return nullptr;
}

// The iteration with the highest mean over the seeds, among those that all seeds have; earlier ones win ties.
struct Best {
  std::uint32_t iteration = 0;
  double mean = -1;
};
Best best_iteration(const Runs& runs) {
  Best best;
  for (const ScoredIteration& i : runs.by_seed.begin()->second->iterations) {
    double sum = 0;
    bool all = true;
    for (const auto& [seed, result] : runs.by_seed) {
      const ScoredIteration* s = scored(*result, i.iteration);
      all = all && s != nullptr;
      if (s != nullptr) sum += s->accuracy.top5_all;
    }
    const double mean = sum / static_cast<double>(runs.by_seed.size());
    if (all && mean > best.mean + 1e-12) best = {i.iteration, mean};
  }
  return best;
}

// The settings that are shown where one cell holds runs of several: the most seeds, then the best of them.
const Runs& best_runs(const CellRuns& cell) {
  const Runs* best = &cell.front();
  for (const Runs& runs : cell)
    if (runs.by_seed.size() > best->by_seed.size() ||
        (runs.by_seed.size() == best->by_seed.size() && best_iteration(runs).mean > best_iteration(*best).mean + 1e-12))
      best = &runs;
  return *best;
}

std::optional<Cell> cell_of(const Runs& runs, const IterationChoice& choice) {
  Cell cell;
  cell.settings = runs.settings;
  std::vector<double> all, novel, top1_all, top1_novel;
  const std::uint32_t number = choice.kind == Kind::best ? best_iteration(runs).iteration : choice.number;
  for (const auto& [seed, result] : runs.by_seed) {
    const ScoredIteration* s = choice.kind == Kind::last ? &result->iterations.back() : scored(*result, number);
    if (s == nullptr) continue;
    cell.first_iteration = cell.seeds.empty() ? s->iteration : std::min(cell.first_iteration, s->iteration);
    cell.last_iteration = std::max(cell.last_iteration, s->iteration);
    cell.seeds.push_back(seed);
    all.push_back(100 * s->accuracy.top5_all);
    novel.push_back(100 * s->accuracy.top5_novel);
    top1_all.push_back(100 * s->accuracy.top1_all);
    top1_novel.push_back(100 * s->accuracy.top1_novel);
  }
  if (cell.seeds.empty()) return std::nullopt;
  cell.all = mean_std(all), cell.novel = mean_std(novel);
  cell.top1_all = mean_std(top1_all), cell.top1_novel = mean_std(top1_novel);
  return cell;
}

std::vector<CurvePoint> curve_of(const Runs& runs) {
  std::vector<CurvePoint> points;
  for (const ScoredIteration& i : runs.by_seed.begin()->second->iterations) {
    CurvePoint point{i.iteration, 0, 0};
    std::size_t found = 0;
    for (const auto& [seed, result] : runs.by_seed)
      if (const ScoredIteration* s = scored(*result, i.iteration); s != nullptr) {
        ++found;
        point.all += 100 * s->accuracy.top5_all;
        point.novel += 100 * s->accuracy.top5_novel;
      }
    if (found != runs.by_seed.size()) continue;  // a mean over other seeds would make a step in the curve
    point.all /= static_cast<double>(found), point.novel /= static_cast<double>(found);
    points.push_back(point);
  }
  return points;
}

void add(CellRuns& cell, const Settings& settings, const ExperimentResult& result, std::size_t& twice) {
  auto runs = std::find_if(cell.begin(), cell.end(), [&](const Runs& r) { return r.settings == settings; });
  if (runs == cell.end()) runs = cell.insert(runs, Runs{settings, {}});
  auto [place, is_new] = runs->by_seed.emplace(result.seed, &result);
  if (is_new) return;
  ++twice;
  // In val mode runs that differ in their length are one; the longer one has more to choose from.
  if (result.iterations.back().iteration > place->second->iterations.back().iteration) place->second = &result;
}

// Columns whose cells hold several settings are split by the settings that differ within a cell.
Grid split_variants(Grid grid) {
  Grid split;
  for (auto& [column, rows] : grid) {
    std::set<std::string> differing;
    for (const auto& [nlabeled, cell] : rows)
      for (const Runs& runs : cell)
        for (const auto& [key, value] : runs.settings) {
          const auto differs = [&, k = key, v = value](const Runs& r) {
            const auto found = r.settings.find(k);
            return found == r.settings.end() || found->second != v;
          };
          if (std::any_of(cell.begin(), cell.end(), differs)) differing.insert(key);
        }
    for (auto& [nlabeled, cell] : rows)
      for (Runs& runs : cell) {
        Settings variant;
        for (const auto& [key, value] : runs.settings)
          if (differing.count(key) != 0) variant.emplace(key, value);
        Column own = column;
        own.variant = settings_text(variant);
        split[own][nlabeled].push_back(std::move(runs));
      }
  }
  return split;
}

Cost cost_of(const std::vector<const ExperimentResult*>& results) {
  Cost cost;
  const auto n = static_cast<double>(std::max<std::size_t>(results.size(), 1));
  std::map<std::string, std::size_t> counts;
  for (const ExperimentResult* r : results) {
    cost.run_seconds += r->run_seconds / n;
    for (const auto& [phase, seconds] : r->seconds) cost.phase_seconds[phase] += seconds, ++counts[phase];
    cost.peak_rss_bytes = std::max(cost.peak_rss_bytes, r->peak_rss_bytes);
    cost.nodes = std::max(cost.nodes, r->nodes);
    cost.edges = std::max(cost.edges, r->edges);
    if (cost.device.empty()) cost.device = r->device;
  }
  for (auto& [phase, seconds] : cost.phase_seconds) seconds /= static_cast<double>(counts[phase]);
  return cost;
}

void add_notes(ResultTable& table, std::size_t twice) {
  for (std::size_t i = 0; i < table.nlabeled.size(); ++i)
    for (std::size_t c = 0; c < table.columns.size(); ++c) {
      const auto& cell = table.cells[i][c];
      if (!cell || cell->seeds.size() == table.seeds.size()) continue;
      std::vector<std::uint32_t> missing;
      std::set_difference(table.seeds.begin(), table.seeds.end(), cell->seeds.begin(), cell->seeds.end(),
                          std::back_inserter(missing));
      table.notes.push_back(fmt::format("nl={}, {}: {} of {} seeds; missing: {}", table.nlabeled[i],
                                        name(table.columns[c]), cell->seeds.size(), table.seeds.size(),
                                        list_text(missing)));
    }
  if (twice != 0)
    table.notes.push_back(
        fmt::format("{} results repeat an experiment that is there already; one of each counts", twice));
}

std::string in_words(const IterationChoice& choice) {
  switch (choice.kind) {
    case Kind::best:
      return "the best settings and iteration of each cell";
    case Kind::number:
      return fmt::format("iteration {}", choice.number);
    default:
      return "the last iteration of each run";
  }
}

}  // namespace

ResultTable make_table(std::span<const ExperimentResult> results, const TableOptions& options) {
  ResultTable table;
  table.mode = options.mode;
  IterationChoice choice = options.iteration;
  if (choice.kind == Kind::automatic) choice.kind = options.mode == "val" ? Kind::best : Kind::last;
  table.iteration = in_words(choice);
  const bool take_best = choice.kind == Kind::best;

  Grid grid;
  std::map<Column, std::vector<const ExperimentResult*>> shown;
  std::size_t twice = 0, of_mode = 0;
  std::uint64_t unreached = 0;
  for (const ExperimentResult& r : results) {
    if (setting(r, "mode") != options.mode) continue;
    ++of_mode;
    add(grid[column_of(r)][r.nlabeled], telling_settings(r, choice.kind == Kind::last), r, twice);
    table.classes = std::max(table.classes, r.classes);
    if (r.unreached_test_rows != 0) ++unreached;
  }
  if (of_mode == 0)
    throw Error(ErrorKind::input, fmt::format("none of {} results is of --mode {}", results.size(), options.mode), "",
                fmt::format("run the plan's {} groups, or see the others with --mode {}", options.mode,
                            options.mode == "val" ? "test" : "val"));
  if (!take_best) grid = split_variants(std::move(grid));

  std::set<std::uint32_t> labels, seeds;
  for (const auto& [column, rows] : grid) {
    table.columns.push_back(column);
    for (const auto& [nlabeled, cell] : rows) labels.insert(nlabeled);
  }
  table.nlabeled.assign(labels.begin(), labels.end());
  bool any = false;
  for (const std::uint32_t nlabeled : table.nlabeled) {
    auto& cells = table.cells.emplace_back();
    auto& curves = table.curves.emplace_back();
    for (const Column& column : table.columns) {
      cells.emplace_back();
      curves.emplace_back();
      const auto cell = grid.at(column).find(nlabeled);
      if (cell == grid.at(column).end()) continue;
      const Runs& runs = best_runs(cell->second);
      cells.back() = cell_of(runs, choice);
      curves.back() = curve_of(runs);
      for (const auto& [seed, result] : runs.by_seed) shown[column].push_back(result);
      if (cells.back()) seeds.insert(cells.back()->seeds.begin(), cells.back()->seeds.end());
      any = any || cells.back().has_value();
    }
  }
  if (!any)
    throw Error(ErrorKind::input, fmt::format("no result has scored {}", table.iteration), "--iteration",
                "name one that was scored");
  table.seeds.assign(seeds.begin(), seeds.end());
  for (const Column& column : table.columns) table.costs.push_back(cost_of(shown[column]));
  add_notes(table, twice);
  if (unreached != 0)
    table.notes.push_back(fmt::format(
        "in {} of {} results no label reached some of the test rows; those count as wrong", unreached, of_mode));
  return table;
}

}  // namespace lowshot
