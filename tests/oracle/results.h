#pragma once
// Results of experiments that were never run, for tests of what is made of results.

#include <string>
#include <utility>
#include <vector>

#include "lowshot/results.h"

namespace oracle {

/// A run whose iterations score the given top-5 accuracies of (all, novel), from iteration 0 on, `step` apart.
inline lowshot::ExperimentResult run_of(const std::string& method, const std::string& mode, std::uint32_t nlabeled,
                                        std::uint32_t seed, const lowshot::Settings& settings,
                                        const std::vector<std::pair<double, double>>& scores, std::uint32_t step = 1) {
  lowshot::ExperimentResult r;
  r.group = method + "-" + mode;
  r.method = method;
  r.settings = settings;
  r.settings["mode"] = mode;
  r.settings["nlabeled"] = std::to_string(nlabeled);
  r.settings["seed"] = std::to_string(seed);
  r.nlabeled = nlabeled;
  r.seed = seed;
  for (const auto& [all, novel] : scores)
    r.iterations.push_back(
        {static_cast<std::uint32_t>(r.iterations.size()) * step, {all, novel, all / 2, novel / 2}, 0.5});
  r.classes = 50;
  r.test_rows = 1000;
  r.run_seconds = 2;
  r.seconds = {{"k-NN graph", 8.0}, {"diffusion", 2.0}};
  r.peak_rss_bytes = 1 << 30;
  r.device = "cpu";
  return r;
}

}  // namespace oracle
