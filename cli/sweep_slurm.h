#pragma once
// A sweep as a Slurm job array: a task a unit.

#include <cstddef>
#include <string>
#include <vector>

#include "lowshot/sweep.h"
#include "sweep_jobs.h"

namespace lowshot::cli {

struct SlurmOptions {
  bool submit = false, wait = false;
  std::size_t throttle = 0;  ///< tasks at a time; 0: as many as Slurm gives
  std::string account, partition;
  std::vector<std::string> options;  ///< handed to sbatch as they are
};

/// Writes FOLDER/slurm/job.sh and hands it to sbatch, for the units that are named (in a second array, which begins
/// after the first, for combinations); prints the numbers of the jobs and how to look after them. `wait`: returns when
/// they have ended. Throws Error (resources) where there is no sbatch, or it refuses.
void submit_to_slurm(const Sweep& sweep, const std::vector<std::size_t>& units, const SlurmOptions& options,
                     const SweepArguments& arguments, int threads);

}  // namespace lowshot::cli
