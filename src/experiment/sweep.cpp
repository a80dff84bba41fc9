#include "lowshot/sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <new>
#include <set>

#include "experiment/plan_options.h"
#include "experiment/run_units.h"
#include "io/folder_lock.h"
#include "io/yaml_file.h"
#include "lowshot/error.h"
#include "lowshot/io.h"
#include "lowshot/memory.h"

namespace lowshot {
namespace {

/// What experiments of a unit have in common. Those of logistic regression share the reading of the descriptors alone,
/// which is short beside their training: a unit for each choice of hyper-parameters leaves something to do in parallel.
std::vector<std::string> shared_settings(const std::string& method) {
  if (method == "diffusion")
    return {"data", "label-idx", "mode", "nbg",    "background",         "in-domain", "k",
            "knn",  "recall",    "pca",  "recipe", "correct-and-smooth", "graph"};
  if (method == "logreg") return {"data", "label-idx", "mode", "lr", "wd", "batchsize", "mom", "maxiter", "nlabeled"};
  return {};
}

std::string unit_key(const PlannedExperiment& e) {
  std::string text = e.method;
  // A weight is chosen once for all seeds.
  if (e.method == "combine")
    for (const auto& [name, value] : e.settings) text += name == "seed" ? "" : fmt::format("\n{}={}", name, value);
  for (const std::string& name : shared_settings(e.method)) text += fmt::format("\n{}={}", name, e.settings.at(name));
  return hash_text(text);
}

std::vector<Unit> make_units(const std::vector<PlannedExperiment>& experiments) {
  std::vector<Unit> units, combinations;
  std::map<std::string, std::size_t> number_of_key;
  for (std::size_t i = 0; i < experiments.size(); ++i) {
    const PlannedExperiment& e = experiments[i];
    auto& place = e.method == "combine" ? combinations : units;
    const auto [found, is_new] = number_of_key.emplace(unit_key(e), place.size());
    if (is_new) place.push_back({e.method, found->first, {}});
    place[found->second].experiments.push_back(i);
  }
  units.insert(units.end(), std::make_move_iterator(combinations.begin()), std::make_move_iterator(combinations.end()));
  return units;
}

/// The groups that are wanted with those that they combine.
std::set<std::string> wanted_groups(const Plan& plan, const std::vector<std::string>& groups) {
  std::set<std::string> wanted;
  std::string names;
  for (const PlanGroup& group : plan.groups) names += (names.empty() ? "" : ", ") + group.name;
  for (const std::string& name : groups) {
    const auto found = std::find_if(plan.groups.begin(), plan.groups.end(),
                                    [&](const PlanGroup& group) { return group.name == name; });
    if (found == plan.groups.end()) {
      const std::string nearest = io::nearest_word(name, names);
      throw Error(ErrorKind::usage, fmt::format("the plan has no group '{}'", name), plan.path.string(),
                  nearest.empty() ? fmt::format("its groups are {}", names) : fmt::format("did you mean {}?", nearest));
    }
    wanted.insert(name);
    wanted.insert(found->parts.begin(), found->parts.end());
  }
  return wanted;
}

Plan only(const Plan& plan, const std::vector<std::string>& groups) {
  if (groups.empty()) return plan;
  const std::set<std::string> wanted = wanted_groups(plan, groups);
  Plan some = plan;
  some.groups.erase(std::remove_if(some.groups.begin(), some.groups.end(),
                                   [&](const PlanGroup& group) { return wanted.count(group.name) == 0; }),
                    some.groups.end());
  return some;
}

void run_method(const UnitRun& run, const std::string& method) {
  if (method == "diffusion") return run_diffusion_unit(run);
  if (method == "logreg") return run_logreg_unit(run);
  run_combine_unit(run);
}

}  // namespace

fs::path Sweep::result(std::size_t experiment) const {
  return result_path(folder, experiments[experiment]);
}

bool Sweep::done(std::size_t experiment) const {
  const PlannedExperiment& e = experiments[experiment];
  return fs::exists(result(experiment)) && (!e.keep_scores || fs::exists(scores_path(folder, e)));
}

std::vector<std::size_t> Sweep::to_do(const Unit& unit) const {
  std::vector<std::size_t> numbers;
  for (const std::size_t number : unit.experiments)
    if (!done(number)) numbers.push_back(number);
  return numbers;
}

// Derived files of different data have the same names, so they need folders of their own.
fs::path Sweep::work_of(const std::string& data) const {
  if (work.empty()) return {};
  const bool one = std::all_of(experiments.begin(), experiments.end(),
                               [&](const PlannedExperiment& e) { return e.settings.at("data") == data; });
  return one ? work : work / fmt::format("{}-{}", fs::path(data).filename().string(), hash_text(data));
}

Sweep make_sweep(const Plan& plan, const fs::path& folder, const std::vector<std::string>& groups) {
  Sweep sweep;
  sweep.folder = folder;
  sweep.work = plan.work;
  sweep.experiments = expand(only(plan, groups));
  sweep.units = make_units(sweep.experiments);
  return sweep;
}

std::string describe(const Sweep& sweep, std::size_t experiment) {
  const PlannedExperiment& e = sweep.experiments[experiment];
  std::string text = fmt::format("{}  nlabeled {}  seed {}", e.group, e.settings.at("nlabeled"), e.settings.at("seed"));
  for (const auto& [name, value] : e.settings) {
    if (name == "nlabeled" || name == "seed") continue;
    const bool varies = std::any_of(sweep.experiments.begin(), sweep.experiments.end(),
                                    [&, key = name, own = value](const PlannedExperiment& o) {
                                      return o.group == e.group && o.settings.at(key) != own;
                                    });
    if (varies) text += fmt::format("  {} {}", name, value);
  }
  return text;
}

void check_results(const Sweep& sweep, const Unit& unit) {
  for (const std::size_t number : unit.experiments) {
    const fs::path path = sweep.result(number);
    if (!fs::exists(path)) continue;
    const ExperimentResult there = read_result(path);
    if (result_path(sweep.folder, there) != path)
      throw Error(ErrorKind::input, "the result holds other settings than those that its name stands for",
                  path.string(), "delete the file, and `lowshot sweep` runs the experiment again");
  }
}

std::optional<ExperimentPlan> plan_unit(const Sweep& sweep, const Unit& unit) {
  const std::vector<std::size_t> to_do = sweep.to_do(unit);
  if (to_do.empty() || unit.method == "combine") return {};
  std::uint32_t most_labelled = 0;
  for (const std::size_t number : to_do)
    most_labelled = std::max(most_labelled, number_of(sweep.experiments[number].settings, "nlabeled"));
  const Settings& settings = sweep.experiments[to_do.front()].settings;
  if (unit.method == "diffusion")
    return plan(diffusion_settings(settings, sweep.work_of(settings.at("data"))), most_labelled);
  return plan_logreg(logreg_settings(settings), most_labelled);
}

bool run_unit(Context& context, const Sweep& sweep, const Unit& unit, const SweepEvents& events, IfBusy if_busy) {
  const auto stop = [&] { return events.stop && events.stop(); };
  if (sweep.to_do(unit).empty()) return true;
  const fs::path place = sweep.folder / "locks" / unit.key;
  const auto lock = if_busy == IfBusy::leave ? io::FolderLock::if_free(place) : io::FolderLock::wait(place, stop);
  if (lock == nullptr) return false;
  const std::vector<std::size_t> to_do = sweep.to_do(unit);  // anew: another process may have done them meanwhile
  if (to_do.empty()) return true;

  std::set<std::size_t> open(to_do.begin(), to_do.end());
  const auto fail = [&](std::size_t number, const std::string& sentence) {
    open.erase(number);
    if (events.failed) events.failed(number, sentence);
  };
  const auto finish = [&](std::size_t number, ExperimentResult result) {
    const PlannedExperiment& e = sweep.experiments[number];
    result.group = e.group;
    result.method = e.method;
    result.settings = e.settings;
    result.nlabeled = number_of(e.settings, "nlabeled");
    result.seed = number_of(e.settings, "seed");
    result.seconds = context.seconds;
    result.peak_rss_bytes = peak_resident_bytes();
    result.device = fmt::format("cpu ({}, {} threads)", name(context.isa), context.thread_count());
    result.version = LOWSHOT_VERSION;
    write_result(sweep.result(number), result);
    open.erase(number);
    if (events.done) events.done(number, result);
  };
  const std::string& data = sweep.experiments[to_do.front()].settings.at("data");
  try {
    run_method({context, sweep, sweep.work_of(data), to_do, stop, finish, fail}, unit.method);
  } catch (const Error& error) {
    // What they share cannot be prepared.
    for (const std::size_t number : std::set<std::size_t>(open)) fail(number, error.what());
  } catch (const std::bad_alloc&) {
    for (const std::size_t number : std::set<std::size_t>(open))
      fail(number, "out of memory; see what it needs with --dry-run");
  }
  return true;
}

}  // namespace lowshot
