#pragma once
// The results of a plan's experiments, one JSON file each: what `lowshot sweep` writes and `select` and `report` read.
// A result file that is there is the mark that its experiment is done (docs/plans.md).

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "lowshot/evaluation.h"

namespace lowshot {

/// The options of an experiment by their names on the command line (without dashes), every one of them, defaults
/// included, numbers in one canonical spelling; flags are "true" or "false". E.g. {"mode", "val"}, {"nlabeled", "1"}.
using Settings = std::map<std::string, std::string>;

struct ScoredIteration {
  std::uint32_t iteration = 0;  ///< diffusion step, or SGD iteration
  Accuracy accuracy;
  double seconds = 0;
};

struct ExperimentResult {
  std::string group;   ///< of the plan
  std::string method;  ///< "diffusion", "logreg" or "combine"
  Settings settings;
  std::uint32_t nlabeled = 0, seed = 0;
  std::vector<ScoredIteration> iterations;  ///< ascending; what was scored
  double weight = -1;                       ///< combine: of the second part
  std::uint64_t nodes = 0, edges = 0, test_rows = 0, unreached_test_rows = 0;
  std::uint32_t classes = 0;
  double run_seconds = 0;                 ///< of the experiment itself, without what it shares with others
  std::map<std::string, double> seconds;  ///< by phase, of the unit that the experiment ran in
  std::uint64_t peak_rss_bytes = 0;
  std::string device, version;
};

/// FOLDER/results/GROUP/METHOD-MODE-nlN-sS-<hash of method and settings>.json. The settings decide, not the plan's
/// text: a plan that was rearranged finds what is done. Those that have their standard value are left out, so that
/// results are found again by a program that has more options.
std::filesystem::path result_path(const std::filesystem::path& folder, const ExperimentResult& experiment);

/// Whole or not at all.
void write_result(const std::filesystem::path& path, const ExperimentResult& result);

/// Throws Error (input) naming file and key: no JSON, another format version, a key that is missing or of another kind,
/// accuracies outside 0 .. 1.
ExperimentResult read_result(const std::filesystem::path& path);

/// All results below FOLDER/results, in the order of their paths.
std::vector<ExperimentResult> read_results(const std::filesystem::path& folder);

}  // namespace lowshot
