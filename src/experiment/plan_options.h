#pragma once
// The options that a plan may set, by method: their names, defaults and canonical spelling.

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lowshot/experiment.h"
#include "lowshot/logreg_experiment.h"
#include "lowshot/results.h"

namespace lowshot {

struct PlanOption {
  std::string name;
  std::string standard;  ///< canonical; "" for data, which has none
  /// The values that one scalar of the file names, in canonical spelling (number lists name several). Throws Error
  /// (usage) for a value that the option does not take.
  std::function<std::vector<std::string>(const std::string& text)> values;
};

/// In the order in which expansions go through them, the last one fastest. Empty for a method without options of its
/// own (combine).
const std::vector<PlanOption>& plan_options(std::string_view method);

/// Whether a setting is what the method has where nobody says anything (of combine: either of its parts' methods).
bool is_standard(std::string_view method, const std::string& name, const std::string& value);

/// Settings that others (the recipe, the propagation, a given graph) leave no choice of: the value that they have
/// then, and why, as a sentence.
struct DecidedSetting {
  std::string name, value, reason;
};
std::vector<DecidedSetting> decided_settings(const Settings& settings);

inline constexpr std::string_view methods[] = {"diffusion", "logreg", "combine"};
bool is_method(std::string_view name);

/// Settings of diffusion as `prepare` and `run` take them. `work` as in ExperimentOptions.
ExperimentOptions diffusion_settings(const Settings& settings, const std::filesystem::path& work);

/// Settings of logistic regression; validation classes are scored as often as `lowshot logreg --mode val` does.
LogregExperimentOptions logreg_settings(const Settings& settings);

/// A whole number of the settings.
std::uint32_t number_of(const Settings& settings, const char* name);

}  // namespace lowshot
