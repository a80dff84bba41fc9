#pragma once
// What a run's score file says of itself; its iterations are left to the caller.

#include "lowshot/score_file.h"
#include "lowshot/split.h"

namespace lowshot {

inline ScoreInfo score_info(const ClassSet& set, ScoreKind kind, std::uint32_t nlabeled, std::uint32_t seed) {
  ScoreInfo info;
  info.kind = kind;
  info.classes = set.original_class;
  info.is_novel = set.is_novel;
  info.rows = set.test_rows;
  info.labels = set.test_labels;
  info.options = {{"mode", set.number == 1 ? "val" : "test"},
                  {"nlabeled", std::to_string(nlabeled)},
                  {"seed", std::to_string(seed)}};
  return info;
}

}  // namespace lowshot
