#pragma once
// Labelled rows whose label is not what is said of them when it is held out.

#include <cstdint>
#include <vector>

#include "label/held_out_scores.h"
#include "lowshot/label.h"

namespace lowshot {

/// What is said of each held-out node: by most repeats, the first to say it where several are as many.
std::vector<Suspect> held_out_opinions(const HeldOutScores& scores, std::uint32_t iteration);

/// Those that are of another class than the given one, worst first.
std::vector<Suspect> find_suspects(const std::vector<Suspect>& opinions);

}  // namespace lowshot
