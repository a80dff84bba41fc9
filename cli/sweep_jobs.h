#pragma once
// A sweep by several processes of this program, a unit each at a time, and what they tell.

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "lowshot/sweep.h"
#include "stop_signals.h"

namespace lowshot::cli {

/// The arguments of `lowshot sweep` that a process of its own for some units needs: everything but the unit.
struct SweepArguments {
  std::filesystem::path plan;  ///< a copy that nobody edits meanwhile
  std::filesystem::path folder, work;
  std::string data;
  std::vector<std::string> groups;
  std::string threads, memory, isa;

  std::vector<std::string> list() const;  ///< "sweep", plan, "-o", folder, ...
};

/// Keeps the plan as FOLDER/plans/NAME-HASH.yaml, so that the numbers of its units stay what they are.
std::filesystem::path keep_plan(const std::filesystem::path& plan, const std::filesystem::path& folder);

/// Runs the units (numbers in the sweep), `jobs` at a time, each in a process of its own; those that another sweep is
/// at come last. After a signal no unit is begun and the processes are told to stop.
void run_jobs(const Sweep& sweep, const std::vector<std::size_t>& units, std::size_t jobs,
              const SweepArguments& arguments, const StopSignals& signals, const SweepEvents& events);

/// What such a process prints for `run_jobs`, a line each.
std::string done_line(std::size_t experiment, const ExperimentResult& result);
std::string failed_line(std::size_t experiment, const std::string& sentence);
std::string busy_line();

}  // namespace lowshot::cli
