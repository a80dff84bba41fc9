#pragma once
// Running a plan's experiments: those that share their static part as a unit, each result written as soon as it is
// there. A result's file is the mark that its experiment is done, so a sweep that was cut off goes on where it was.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "lowshot/context.h"
#include "lowshot/experiment.h"
#include "lowshot/plan.h"

namespace lowshot {

/// Experiments that are prepared together and run by one process at a time.
struct Unit {
  std::string method;
  std::string key;                       ///< hash of the method and of the settings that are shared
  std::vector<std::size_t> experiments;  ///< numbers in the expansion
};

/// A plan's experiments, where their results go, and their units. Combinations come in units after all others.
struct Sweep {
  std::filesystem::path folder;
  std::filesystem::path
      work;  ///< as in ExperimentOptions; each data directory has a folder in it where there are several
  std::vector<PlannedExperiment> experiments;
  std::vector<Unit> units;

  std::filesystem::path result(std::size_t experiment) const;
  bool done(std::size_t experiment) const;  ///< its result is there, and its scores where they are wanted
  std::vector<std::size_t> to_do(const Unit& unit) const;
  std::filesystem::path work_of(const std::string& data) const;  ///< a data directory's part of `work`
};

/// `groups`: those that are wanted (a combination brings the groups that it combines); empty: all. Throws Error (usage)
/// for a group that the plan does not have, and what `expand` throws.
Sweep make_sweep(const Plan& plan, const std::filesystem::path& folder, const std::vector<std::string>& groups = {});

/// The group, nlabeled, seed, and what else changes within the group: "val  nlabeled 5  seed 1  nbg 60000".
std::string describe(const Sweep& sweep, std::size_t experiment);

/// Reads the results of `unit` that are there. Throws Error (input), naming the file and what to do, for one that
/// cannot be read or does not hold what its name says.
void check_results(const Sweep& sweep, const Unit& unit);

struct SweepEvents {
  std::function<void(std::size_t experiment, const ExperimentResult& result)> done = {};
  std::function<void(std::size_t experiment, const std::string& sentence)> failed = {};
  std::function<bool()> stop = {};  ///< asked before each experiment; true: no more
};

/// What running the rest of a unit would read, make and hold; nothing where nothing is known of it beforehand. Throws
/// Error for what can be seen to fail.
std::optional<ExperimentPlan> plan_unit(const Sweep& sweep, const Unit& unit);

/// How long running the rest of `units` would take on this machine, one after the other. Takes a few seconds for every
/// choice of data, background and graph that they have. Combinations are not counted.
TimePlan sweep_seconds(Context& context, const Sweep& sweep, const std::vector<std::size_t>& units);

enum class IfBusy {
  leave,  ///< another process runs the unit: leave it to that one
  wait,   ///< until it is free, asking `stop` now and then; then do what is still to do
};

/// Runs those experiments of a unit that are not done, under the unit's lock. Returns false where the unit was left to
/// another process, or not got to before `stop`. What an experiment throws as Error is its failure; the others go on.
bool run_unit(Context& context, const Sweep& sweep, const Unit& unit, const SweepEvents& events, IfBusy if_busy);

}  // namespace lowshot
