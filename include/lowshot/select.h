#pragma once
// Hyper-parameters from validation results (reference protocol, section 8, phases 2 and 3): per method, background and
// number of labels the settings and the iteration with the highest mean accuracy, and the plan of the test runs.

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lowshot/results.h"

namespace lowshot {

enum class Criterion { top5_all, top5_novel, mean, top1_all };  ///< mean: of top5_all and top5_novel

/// One choice that could be made, with how well it does.
struct Candidate {
  Settings settings;            ///< what is chosen beside the iteration: lr, wd, batchsize, mom, k, ...
  std::uint32_t iteration = 0;  ///< diffusion steps, or SGD iterations
  double mean = 0;              ///< of the criterion over the seeds, 0..1
  double standard_error = -1;   ///< of that mean (divisor N - 1); -1 with one seed
  std::vector<std::uint32_t> seeds;
};

/// The choice for one method, background and number of labels.
struct Choice {
  std::string method, background;  ///< background: "none", "1M", "in-domain"; empty for logreg
  std::uint32_t nlabeled = 0;
  Settings fixed;  ///< what names the background: nbg, in-domain, background
  Candidate chosen;
  /// The best with other settings; where only the iteration is chosen, the best with another iteration.
  std::optional<Candidate> runner_up;
  /// The fewest iterations whose mean is within one standard error of the best, where that is fewer than chosen.
  std::optional<Candidate> simpler;
};

struct Selection {
  std::vector<Choice> choices;        ///< by method, background, nlabeled
  std::vector<std::string> warnings;  ///< sentences: seeds that are missing, a best value at the end of its range
};

/// Looks at the results of --mode val of diffusion and logreg. In a cell only candidates with the most seeds take part,
/// as means over different draws cannot be compared; the others are warned about. Ties go to fewer iterations, then to
/// the settings that come first in the results. Throws Error (input) where there is no validation result, or where the
/// results are of several data directories.
Selection select(std::span<const ExperimentResult> results, Criterion criterion);

/// The test runs with the chosen settings as a plan file (docs/plans.md): one group a method and background, and with
/// both methods one `combine` group a background, for which the parts are run on the validation classes, too.
std::string plan_of(const Selection& selection, const std::string& plan_name);

}  // namespace lowshot
