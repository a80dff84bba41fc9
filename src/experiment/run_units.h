#pragma once
// One function a method: the experiments of a unit that are not done, one after the other.

#include <functional>
#include <vector>

#include "lowshot/sweep.h"

namespace lowshot {

/// What an experiment comes to beside what the plan knows of it.
using Finish = std::function<void(std::size_t experiment, ExperimentResult result)>;
/// Says the sentence of an experiment that failed.
using Fail = std::function<void(std::size_t experiment, const std::string& sentence)>;

struct UnitRun {
  Context& context;
  const Sweep& sweep;
  std::filesystem::path work;      ///< of this unit's data directory
  std::vector<std::size_t> to_do;  ///< numbers in the expansion
  std::function<bool()> stop;
  Finish finish;
  Fail fail;

  const PlannedExperiment& experiment(std::size_t number) const { return sweep.experiments[number]; }
};

void run_diffusion_unit(const UnitRun& unit);
void run_logreg_unit(const UnitRun& unit);
/// Sums of scores that are kept; the weight is chosen on the validation classes by the mean of top5_all over the seeds.
void run_combine_unit(const UnitRun& unit);

}  // namespace lowshot
