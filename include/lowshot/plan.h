#pragma once
// Plans: many experiments as data (docs/plans.md).

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "lowshot/results.h"

namespace lowshot {

/// Options by name, each with the values it goes through, in canonical spelling.
using Axes = std::map<std::string, std::vector<std::string>>;

struct PlanGroup {
  std::string name;
  std::string method;              ///< "diffusion", "logreg" or "combine"
  Axes axes;                       ///< what the group says itself
  std::vector<Settings> cases;     ///< settings that go together; none of them is an axis
  std::vector<std::string> parts;  ///< combine: the two groups (`of`)
  std::uint64_t line = 0;          ///< of the file, from 1
};

struct Plan {
  std::filesystem::path path;
  std::string name;            ///< the file's, where it says none
  std::filesystem::path work;  ///< directory for what is derived from the data; empty: the data directory
  Axes settings;               ///< for all groups whose method has the option; what a group says comes before them
  std::vector<PlanGroup> groups;
};

/// Reads and checks a plan. Throws Error (input) naming file and line: unknown keys (with the nearest known one),
/// values that the option does not take, empty axes, values that are there twice, a key of `cases` that is also an
/// axis.
Plan read_plan(const std::filesystem::path& path);

/// What --data says: comes before the plan's setting for all groups.
void set_data(Plan& plan, const std::filesystem::path& data);

struct PlannedExperiment {
  std::string group = {}, method = {};
  Settings settings = {};    ///< complete: every option of the method but --work, defaults included
  bool keep_scores = false;  ///< a combination needs them

  /// Combine: experiments of the expansion, by their numbers, whose scores are added: those that are scored, and those
  /// of the validation classes (one a seed) that the weight is chosen with.
  struct Pair {
    std::size_t first = 0, second = 0;
  };
  Pair test = {};
  std::vector<Pair> validation = {};
};

/// The experiments of a plan in its order; nlabeled and seed change fastest. Throws Error (usage) when an experiment
/// has no data directory, (input) for one that is there twice in its group, for combinations without partners, and for
/// more than a million experiments.
std::vector<PlannedExperiment> expand(const Plan& plan);

/// Where its result is, or will be (results.h).
std::filesystem::path result_path(const std::filesystem::path& folder, const PlannedExperiment& experiment);
/// FOLDER/scores/GROUP/<name of the result>.npy.
std::filesystem::path scores_path(const std::filesystem::path& folder, const PlannedExperiment& experiment);

}  // namespace lowshot
