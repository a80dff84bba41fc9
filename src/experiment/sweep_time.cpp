// The time of a sweep: that of its units, what they share counted once (lowshot/time_plan.h).
#include <algorithm>
#include <map>
#include <set>

#include "experiment/plan_options.h"
#include "lowshot/sweep.h"

namespace lowshot {
namespace {

std::string key_of(const Settings& settings, const std::vector<std::string>& names) {
  std::string key;
  for (const std::string& name : names) key += settings.at(name) + "\n";
  return key;
}

void add(TimePlan& plan, const std::string& name, double seconds) {
  for (TimePlan::Item& item : plan.items)
    if (item.name == name) {
      item.seconds += seconds;
      return;
    }
  plan.add(name, seconds);
}

class SweepTime {
 public:
  SweepTime(Context& context, const Sweep& sweep) : context_(context), sweep_(sweep) {}

  void add_diffusion(const std::vector<std::size_t>& to_do) {
    // Experiments of a unit differ in nlabeled and seed, seldom in more.
    std::map<Settings, std::vector<std::uint32_t>> nlabeled;
    for (const std::size_t number : to_do) {
      Settings settings = sweep_.experiments[number].settings;
      const std::uint32_t labels = number_of(settings, "nlabeled");
      settings.erase("nlabeled");
      settings.erase("seed");
      nlabeled[settings].push_back(labels);
    }
    bool prepared = false;
    for (const auto& [settings, labels] : nlabeled) {
      const ExperimentOptions options = diffusion_settings(settings, sweep_.work_of(settings.at("data")));
      for (const TimePlan::Item& item : experiment_seconds(context_, options, labels, 1).items) {
        const bool of_runs = item.name == "diffusion" || item.name == "regression";
        if (!of_runs && (prepared || made_before(item.name, settings))) continue;
        add(plan_, item.name, item.seconds);
      }
      prepared = true;
    }
  }

  void add_logreg(const std::vector<std::size_t>& to_do) {
    const Settings& settings = sweep_.experiments[to_do.front()].settings;
    const auto [found, is_new] =
        regressions_.try_emplace(key_of(settings, {"data", "label-idx", "mode", "batchsize", "maxiter"}));
    if (is_new) found->second = logreg_seconds(context_, logreg_settings(settings), {1}, 1);
    for (const TimePlan::Item& item : found->second.items)
      add(plan_, item.name, item.seconds * (item.name == "regression" ? static_cast<double>(to_do.size()) : 1));
  }

  TimePlan plan() && { return std::move(plan_); }

 private:
  // What one unit makes, others find; a recipe's own map and graph are not among it.
  bool made_before(const std::string& stage, const Settings& settings) {
    if (settings.at("recipe") != "paper") return false;
    if (stage == "PCA") return !made_.insert(stage + "\n" + key_of(settings, {"data", "pca"})).second;
    if (stage == "background graph")
      return !made_.insert(stage + "\n" + key_of(settings, {"data", "nbg", "background", "k", "knn", "recall", "pca"}))
                  .second;
    return false;
  }

  Context& context_;
  const Sweep& sweep_;
  TimePlan plan_;
  std::set<std::string> made_;
  std::map<std::string, TimePlan> regressions_;
};

}  // namespace

TimePlan sweep_seconds(Context& context, const Sweep& sweep, const std::vector<std::size_t>& units) {
  SweepTime time(context, sweep);
  for (const std::size_t u : units) {
    const std::vector<std::size_t> to_do = sweep.to_do(sweep.units[u]);
    if (to_do.empty()) continue;
    if (sweep.units[u].method == "diffusion") time.add_diffusion(to_do);
    if (sweep.units[u].method == "logreg") time.add_logreg(to_do);
  }
  return std::move(time).plan();
}

}  // namespace lowshot
