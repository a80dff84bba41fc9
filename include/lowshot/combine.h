#pragma once
// Two classifiers combined: a weighted sum of their log scores, the weight chosen on the validation classes (the
// paper's headline result; reference protocol, sections 7 and 9). Diffusion knows more at one or two labels a class,
// regression from five on.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lowshot/context.h"
#include "lowshot/evaluation.h"
#include "lowshot/matrix.h"
#include "lowshot/score_file.h"

namespace lowshot {

/// Added to a share before its logarithm: a class that the diffusion has not reached is unlikely, not impossible.
inline constexpr double share_floor = 1e-4;

/// Scores of any kind -> log scores, in place. diffusion, probabilities: log(s / (the row's sum) + share_floor), log(1
/// / classes) in a row of zeros. log_softmax: as they are, but at least -1e6 (so that no weight of 0 meets an
/// infinity).
void to_log_scores(ScoreKind kind, MatrixView<float> scores);

/// out = (1 - weight) first + weight second; all of one shape.
void combine_scores(MatrixView<const float> first, MatrixView<const float> second, double weight,
                    MatrixView<float> out);

/// Log scores -> logarithms of probabilities: every row minus its log of the sum of exponentials. In place.
void normalise_log_scores(MatrixView<float> scores);

/// Accuracy of scores by themselves, as the program that made them reports it: in `diffusion` a row of zeros is wrong.
Accuracy score_accuracy(ScoreKind kind, MatrixView<const float> scores, std::span<const std::int32_t> labels,
                        const std::vector<bool>& is_novel, int threads = 1);

enum class AccuracyMetric { top5_all, top5_novel, top1_all, top1_novel };
double value(const Accuracy& accuracy, AccuracyMetric metric);

inline constexpr int weight_steps = 20;  ///< weights 0, 0.05 .. 1: finer ones are within the noise of seeds

/// Of weight_steps + 1 values, one a weight, the weight of the largest; of equal ones that nearest 0.5, then the lower.
double best_weight(std::span<const double> values);

/// The same test rows scored by two classifiers.
struct ScorePair {
  ScoreInfo info;                    ///< of both: classes, rows, labels
  ScoreKind kinds[2] = {};           ///< of the files
  std::uint32_t iterations[2] = {};  ///< the layers taken
  Accuracy alone[2];                 ///< of the files' own scores
  Matrix<float> log_scores[2];       ///< rows x classes

  /// Accuracy of the combination, one a weight.
  std::vector<Accuracy> by_weight(Context& context) const;
  Accuracy at(Context& context, double weight) const;
};

/// Takes each file's layer of `iteration` where the file has several, its last without one. Throws Error (input) naming
/// both files when their rows, true classes or classes differ, and listing what there is when a file of several layers
/// lacks `iteration`.
ScorePair read_score_pair(Context& context, const std::filesystem::path& first, const std::filesystem::path& second,
                          std::optional<std::uint32_t> iteration = {});
std::uint64_t score_pair_memory(std::uint64_t rows, std::uint64_t classes);

}  // namespace lowshot
