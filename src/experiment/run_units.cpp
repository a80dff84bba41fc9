#include "experiment/run_units.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>

#include "experiment/plan_options.h"
#include "io/folder_lock.h"
#include "lowshot/combine.h"
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

/// Where the scores of an experiment go, its folder made; empty where nobody needs them.
fs::path place_of_scores(const UnitRun& unit, const PlannedExperiment& e) {
  if (!e.keep_scores) return {};
  fs::path path = scores_path(unit.sweep.folder, e);
  fs::create_directories(path.parent_path());
  return path;
}

ExperimentResult result_of(const RunResult& run) {
  ExperimentResult result;
  const bool recipe = !run.iterations.back().recipe.empty();  // its answer is the result, not the read-outs before it
  for (const IterationResult& i : run.iterations)
    if (!recipe || !i.recipe.empty()) result.iterations.push_back({i.iteration, i.accuracy, i.seconds});
  result.nodes = run.nodes;
  result.edges = run.edges;
  result.test_rows = run.test_rows;
  result.unreached_test_rows = run.unreached_test_rows;
  result.classes = run.classes;
  result.run_seconds = run.seconds;
  return result;
}

/// One after the other until `stop`; what one throws is its failure.
void each_experiment(const UnitRun& unit, const std::vector<std::size_t>& numbers,
                     const std::function<ExperimentResult(const PlannedExperiment&)>& run) {
  for (const std::size_t number : numbers) {
    if (unit.stop()) return;
    try {
      unit.finish(number, run(unit.experiment(number)));
    } catch (const Error& error) {
      unit.fail(number, error.what());
    }
  }
}

/// Units that share background and PCA differ in class set or setting alone; the first one makes both and keeps them,
/// while the others wait: two processes would make the same graph at the same time.
std::optional<StaticPart> prepare_once(const UnitRun& unit, const ExperimentOptions& options, std::uint32_t most) {
  const Settings& s = unit.experiment(unit.to_do.front()).settings;
  std::string shared = unit.work.string();
  for (const char* name : {"data", "nbg", "background", "k", "knn", "recall", "pca"}) shared += "\n" + s.at(name);
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
  each_experiment(unit, good, [&](const PlannedExperiment& e) {
    // What is not shared (iterations, slices, pruning) is the experiment's own.
    return result_of(run(unit.context, *part, diffusion_settings(e.settings, unit.work),
                         number_of(e.settings, "nlabeled"), number_of(e.settings, "seed"),
                         {.scores = place_of_scores(unit, e)}));
  });
}

void run_logreg_unit(const UnitRun& unit) {
  const Settings& settings = unit.experiment(unit.to_do.front()).settings;
  const LogregExperimentOptions options = logreg_settings(settings);
  const LogregPart part = prepare_logreg(unit.context, options, number_of(settings, "nlabeled"));
  each_experiment(unit, unit.to_do, [&](const PlannedExperiment& e) {
    return result_of(run_logreg(unit.context, part, options, number_of(e.settings, "nlabeled"),
                                number_of(e.settings, "seed"), {.scores = place_of_scores(unit, e)}));
  });
}

void run_combine_unit(const UnitRun& unit) {
  const Sweep& sweep = unit.sweep;
  const auto read_pair = [&](const PlannedExperiment::Pair& pair) {
    for (const std::size_t part : {pair.first, pair.second})
      if (!sweep.done(part))
        throw Error(ErrorKind::input, fmt::format("what it combines is not done: {}", describe(sweep, part)), "",
                    "see why that failed");
    return read_score_pair(unit.context, scores_path(sweep.folder, sweep.experiments[pair.first]),
                           scores_path(sweep.folder, sweep.experiments[pair.second]));
  };
  const std::vector<PlannedExperiment::Pair>& validation = unit.experiment(unit.to_do.front()).validation;
  std::vector<double> means(weight_steps + 1, 0.0);
  for (const PlannedExperiment::Pair& pair : validation) {
    if (unit.stop()) return;
    const std::vector<Accuracy> accuracies = read_pair(pair).by_weight(unit.context);
    for (std::size_t w = 0; w < means.size(); ++w)
      means[w] += accuracies[w].top5_all / static_cast<double>(validation.size());
  }
  const double weight = best_weight(means);
  each_experiment(unit, unit.to_do, [&](const PlannedExperiment& e) {
    const auto start = std::chrono::steady_clock::now();
    const ScorePair pair = read_pair(e.test);
    ExperimentResult result;
    result.weight = weight;
    const Accuracy accuracy = pair.at(unit.context, weight);
    result.run_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    result.iterations.push_back({0, accuracy, result.run_seconds});
    result.test_rows = pair.info.rows.size();
    result.classes = static_cast<std::uint32_t>(pair.info.classes.size());
    return result;
  });
}

}  // namespace lowshot
