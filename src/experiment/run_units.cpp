#include "experiment/run_units.h"

#include <algorithm>
#include <map>
#include <optional>

#include "experiment/plan_options.h"
#include "io/folder_lock.h"
#include "lowshot/error.h"
#include "lowshot/io.h"

namespace lowshot {
namespace {

/// Those that have as many labels as they want; the others fail here, before anything is prepared for them.
std::vector<std::size_t> with_enough_images(const UnitRun& unit, const ExperimentOptions& options,
                                            std::uint32_t& most_labelled) {
  std::map<std::uint32_t, std::string> refused;  // nlabeled -> why; empty: it is not
  std::vector<std::size_t> good;
  for (const std::size_t number : unit.to_do) {
    const std::uint32_t labels = number_of(unit.experiment(number).settings, "nlabeled");
    const auto [found, is_new] = refused.try_emplace(labels);
    if (is_new) {
      try {
        plan(options, labels);
      } catch (const Error& error) {
        found->second = error.what();
      }
    }
    if (found->second.empty()) {
      good.push_back(number);
      most_labelled = std::max(most_labelled, labels);
    } else {
      unit.fail(number, found->second);
    }
  }
  return good;
}

/// Units that share background and PCA differ in class set or setting alone; the first one makes both and keeps them,
/// while the others wait: two processes would make the same graph at the same time.
std::optional<StaticPart> prepare_once(const UnitRun& unit, const ExperimentOptions& options, std::uint32_t most) {
  const Settings& s = unit.experiment(unit.to_do.front()).settings;
  std::string shared = unit.work.string();
  for (const char* name : {"data", "nbg", "background", "k", "pca"}) shared += "\n" + s.at(name);
  const fs::path place = unit.sweep.folder / "locks" / ("background-" + hash_text(shared));
  const fs::path made = place / "made";
  if (fs::exists(made)) return prepare(unit.context, options, most);
  const auto lock = io::FolderLock::wait(place, unit.stop);
  if (lock == nullptr) return {};
  StaticPart part = prepare(unit.context, options, most);
  write_file(made, "");
  return part;
}

}  // namespace

void run_diffusion_unit(const UnitRun& unit) {
  const ExperimentOptions shared = diffusion_settings(unit.experiment(unit.to_do.front()).settings, unit.work);
  std::uint32_t most_labelled = 0;
  const std::vector<std::size_t> good = with_enough_images(unit, shared, most_labelled);
  if (good.empty()) return;
  const std::optional<StaticPart> part = prepare_once(unit, shared, most_labelled);
  if (!part) return;
  for (const std::size_t number : good) {
    if (unit.stop()) return;
    const PlannedExperiment& e = unit.experiment(number);
    try {
      // What is not shared (iterations, slices, pruning) is the experiment's own.
      const ExperimentOptions options = diffusion_settings(e.settings, unit.work);
      RunOutputs outputs;
      if (e.keep_scores) {
        outputs.scores = scores_path(unit.sweep.folder, e);
        fs::create_directories(outputs.scores.parent_path());
      }
      const RunResult run = lowshot::run(unit.context, *part, options, number_of(e.settings, "nlabeled"),
                                         number_of(e.settings, "seed"), outputs);
      ExperimentResult result;
      for (const IterationResult& i : run.iterations) result.iterations.push_back({i.iteration, i.accuracy, i.seconds});
      result.nodes = run.nodes;
      result.edges = run.edges;
      result.test_rows = run.test_rows;
      result.unreached_test_rows = run.unreached_test_rows;
      result.classes = run.classes;
      result.run_seconds = run.seconds;
      unit.finish(number, std::move(result));
    } catch (const Error& error) {
      unit.fail(number, error.what());
    }
  }
}

}  // namespace lowshot
