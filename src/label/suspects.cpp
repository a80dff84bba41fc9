#include "label/suspects.h"

#include <algorithm>
#include <iterator>

namespace lowshot {

std::vector<Suspect> held_out_opinions(const HeldOutScores& scores, std::uint32_t iteration) {
  std::vector<Suspect> opinions;
  for (std::size_t i = 0; i < scores.nodes.size(); ++i) {
    Suspect s{scores.nodes[i], scores.given[i], -1, 0, 0};
    std::uint32_t most = 0;
    for (std::uint32_t r = 0; r < scores.repeats; ++r) {
      const HeldOutAnswer& answer = scores.at(iteration, r)[i];
      std::uint32_t votes = 0;
      float confidence = 0;
      for (std::uint32_t other = 0; other < scores.repeats; ++other)
        if (scores.at(iteration, other)[i].predicted == answer.predicted)
          ++votes, confidence += scores.at(iteration, other)[i].confidence;
      if (votes > most)
        most = votes, s.predicted = answer.predicted, s.predicted_confidence = confidence / static_cast<float>(votes);
      s.given_confidence += answer.given_confidence / static_cast<float>(scores.repeats);
    }
    opinions.push_back(s);
  }
  return opinions;
}

std::vector<Suspect> find_suspects(const std::vector<Suspect>& opinions) {
  std::vector<Suspect> suspects;
  std::copy_if(opinions.begin(), opinions.end(), std::back_inserter(suspects),
               [](const Suspect& s) { return s.predicted >= 0 && s.predicted != s.given; });
  std::stable_sort(suspects.begin(), suspects.end(), [](const Suspect& a, const Suspect& b) {
    return a.predicted_confidence - a.given_confidence > b.predicted_confidence - b.given_confidence;
  });
  return suspects;
}

}  // namespace lowshot
