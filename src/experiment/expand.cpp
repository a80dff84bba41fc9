// From a plan to its experiments: every combination of the axes, complete settings, partners of combinations.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "experiment/plan_options.h"
#include "io/text_table.h"
#include "lowshot/error.h"
#include "lowshot/plan.h"

namespace lowshot {
namespace {

namespace fs = std::filesystem;

// More is a mistake in a range, not an intention: the paper's complete phase 1 has 700.
constexpr std::uint64_t most_experiments = 1'000'000;

std::string place(const Plan& plan, const PlanGroup& group) {
  return io::at_line(plan.path, group.line);
}

/// The values of every option in the table's order: the case's, the group's, the plan's, else the default.
std::vector<std::vector<std::string>> values_of(const Plan& plan, const PlanGroup& group, const Settings& one_case,
                                                const std::vector<PlanOption>& options) {
  std::vector<std::vector<std::string>> values;
  for (const PlanOption& option : options) {
    if (const auto found = one_case.find(option.name); found != one_case.end()) {
      values.push_back({found->second});
    } else if (const auto own = group.axes.find(option.name); own != group.axes.end()) {
      values.push_back(own->second);
    } else if (const auto shared = plan.settings.find(option.name); shared != plan.settings.end()) {
      values.push_back(shared->second);
    } else if (option.standard.empty()) {
      throw Error(ErrorKind::usage, fmt::format("the group {} has no {} directory", group.name, option.name),
                  place(plan, group), "name one with data: in the plan, with --data, or in the variable DDIR");
    } else {
      values.push_back({option.standard});
    }
  }
  return values;
}

/// What others decide comes into the settings, and what the plan's top says of it is for the other groups.
void settle(const Plan& plan, const PlanGroup& group, const Settings& one_case, Settings& settings) {
  for (const DecidedSetting& decided : decided_settings(settings)) {
    const bool said = one_case.count(decided.name) != 0 || group.axes.count(decided.name) != 0;
    if (said && settings[decided.name] != decided.value)
      throw Error(ErrorKind::input, decided.reason, place(plan, group),
                  fmt::format("remove {} there, or give the others a group of their own", decided.name));
    settings[decided.name] = decided.value;
  }
}

void expand_group(const Plan& plan, const PlanGroup& group, std::vector<PlannedExperiment>& all) {
  const std::vector<PlanOption> options = plan_options(group.method);
  std::set<Settings> seen;
  const std::vector<Settings> cases = group.cases.empty() ? std::vector<Settings>(1) : group.cases;
  for (const Settings& one_case : cases) {
    const auto values = values_of(plan, group, one_case, options);
    std::uint64_t count = 1;
    for (const auto& axis : values) count = std::min(count * axis.size(), most_experiments + 1);
    if (all.size() + count > most_experiments)
      throw Error(ErrorKind::input, fmt::format("the plan has more than {} experiments", most_experiments),
                  place(plan, group), "check its ranges");
    for (std::uint64_t number = 0; number < count; ++number) {
      PlannedExperiment e{.group = group.name, .method = group.method};
      std::uint64_t rest = number;
      for (std::size_t i = options.size(); i-- > 0; rest /= values[i].size())
        e.settings[options[i].name] = values[i][rest % values[i].size()];
      settle(plan, group, one_case, e.settings);
      if (!seen.insert(e.settings).second)
        throw Error(ErrorKind::input,
                    fmt::format("the group {} holds an experiment twice: mode {}, nlabeled {}, seed {} with the same "
                                "other settings",
                                group.name, e.settings["mode"], e.settings["nlabeled"], e.settings["seed"]),
                    place(plan, group), "remove one of its cases");
      all.push_back(std::move(e));
    }
  }
}

/// Settings that tell which experiments of two groups belong together.
Settings meeting(const PlannedExperiment& e) {
  Settings key;
  for (const char* name : {"data", "label-idx", "mode", "nlabeled", "seed"}) key[name] = e.settings.at(name);
  return key;
}

/// Both parts' settings; where they differ in an option, "first+second".
Settings joined(const PlannedExperiment& first, const PlannedExperiment& second) {
  Settings both = first.settings;
  for (const auto& [name, value] : second.settings) {
    const auto [found, is_new] = both.emplace(name, value);
    if (!is_new && found->second != value) found->second += "+" + value;
  }
  return both;
}

Settings without_mode_and_seed(Settings settings) {
  settings.erase("mode");
  settings.erase("seed");
  return settings;
}

void expand_combination(const Plan& plan, const PlanGroup& group, std::vector<PlannedExperiment>& all) {
  std::map<Settings, std::vector<std::size_t>> second_by_key;
  for (std::size_t i = 0; i < all.size(); ++i)
    if (all[i].group == group.parts[1]) second_by_key[meeting(all[i])].push_back(i);

  std::vector<std::pair<Settings, PlannedExperiment::Pair>> tests;
  std::map<Settings, std::vector<PlannedExperiment::Pair>> validation;
  for (std::size_t first = 0; first < all.size(); ++first) {
    if (all[first].group != group.parts[0]) continue;
    const auto partners = second_by_key.find(meeting(all[first]));
    if (partners == second_by_key.end()) continue;
    for (const std::size_t second : partners->second) {
      const Settings settings = joined(all[first], all[second]);
      if (settings.at("mode") == "test")
        tests.emplace_back(settings, PlannedExperiment::Pair{first, second});
      else
        validation[without_mode_and_seed(settings)].push_back({first, second});
    }
  }
  if (tests.empty())
    throw Error(ErrorKind::input,
                fmt::format("{} has nothing to combine: no experiments of {} and {} in mode test have the same data, "
                            "nlabeled and seed",
                            group.name, group.parts[0], group.parts[1]),
                place(plan, group), "give both groups mode: [val, test] and the same nlabeled and seed");
  for (auto& [settings, pair] : tests) {
    const auto chosen_with = validation.find(without_mode_and_seed(settings));
    if (chosen_with == validation.end())
      throw Error(ErrorKind::input,
                  fmt::format("{} has nothing to choose its weight with: for nlabeled {} there are no experiments of "
                              "{} and {} in mode val with the settings of those in mode test",
                              group.name, settings.at("nlabeled"), group.parts[0], group.parts[1]),
                  place(plan, group), "give both groups mode: [val, test]");
    PlannedExperiment e{.group = group.name, .method = group.method, .settings = settings};
    e.settings["of"] = group.parts[0] + "+" + group.parts[1];
    e.test = pair;
    e.validation = chosen_with->second;
    all.push_back(std::move(e));
  }
  const auto keep = [&](const PlannedExperiment::Pair& pair) {
    all[pair.first].keep_scores = all[pair.second].keep_scores = true;
  };
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i].group != group.name) continue;
    keep(all[i].test);
    for (const auto& pair : std::vector(all[i].validation)) keep(pair);
  }
}

}  // namespace

std::vector<PlannedExperiment> expand(const Plan& plan) {
  std::vector<PlannedExperiment> all;
  for (const PlanGroup& group : plan.groups)
    if (group.method != "combine") expand_group(plan, group, all);
  for (const PlanGroup& group : plan.groups)
    if (group.method == "combine") expand_combination(plan, group, all);
  return all;
}

fs::path result_path(const fs::path& folder, const PlannedExperiment& e) {
  ExperimentResult result;
  result.group = e.group;
  result.method = e.method;
  result.settings = e.settings;
  return result_path(folder, result);
}

fs::path scores_path(const fs::path& folder, const PlannedExperiment& e) {
  return folder / "scores" / e.group / result_path(folder, e).filename().replace_extension(".npy");
}

}  // namespace lowshot
