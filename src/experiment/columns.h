#pragma once
// Which experiments belong together: the column of the table that an experiment falls into, and the settings that tell
// two experiments of a column apart.

#include <compare>
#include <cstdint>
#include <string>
#include <vector>

#include "lowshot/results.h"

namespace lowshot {

/// A method with what it takes as unlabelled background. The order is that of the table: diffusion by rising
/// background, in-domain, logistic regression, combinations.
struct Column {
  int rank = 0;        ///< 0 diffusion, 1 logreg, 2 combine, 3 anything else
  std::string method;  ///< as in the result file
  bool in_domain = false;
  std::uint64_t background_rows = 0;
  std::string background;  ///< files given with --background
  std::string variant;     ///< "k=10": told apart by other settings (result_table.h); else empty

  auto operator<=>(const Column&) const = default;
};

Column column_of(const ExperimentResult& result);

/// "none", "100k", "1M", "in-domain", "in-domain + 1M", "logreg", "combined, 1M"; the variant in brackets.
std::string name(const Column& column);
/// What the column has as background: "none", "100k", "in-domain", ...
std::string background_name(const Column& column);
/// 100000 is "100k", 1000000 "1M", 1234 "1234", 0 "none".
std::string size_name(std::uint64_t rows);

/// The value of a setting, empty where there is none.
std::string setting(const ExperimentResult& result, const std::string& key);

/// The settings that tell an experiment from others of its column, labels and seed: neither what the column says, nor
/// what cannot change the accuracies (slices, pruning, threads, where files are kept). niter and maxiter, which only
/// say how far a run goes, are left out, too, where `with_length` is false.
Settings telling_settings(const ExperimentResult& result, bool with_length);

/// "lr=0.001 wd=0.1", the names in order.
std::string settings_text(const Settings& settings);

/// "1-5", "1,3,4": a list as the command line takes it; `numbers` rising.
std::string list_text(const std::vector<std::uint32_t>& numbers);

}  // namespace lowshot
