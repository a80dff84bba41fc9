#pragma once
// Top-k accuracy (reference protocol, "Evaluation"), fed by slices of classes so that the full score matrix need
// never exist.

#include <cstdint>
#include <span>
#include <vector>

#include "lowshot/matrix.h"

namespace lowshot {

/// The best `width` classes of every row, from score slices offered in any order. Ties: the lower class wins.
/// Scores of zero count as any other score; a row whose scores are all zero (or below) has no best class at all, unless
/// scores may be negative, as logarithms are: then every row has one.
class TopClasses {
 public:
  enum class Scores { positive, any_sign };

  /// `width` at least 1.
  explicit TopClasses(std::size_t rows, std::uint32_t width = 5, Scores scores = Scores::positive);

  /// `scores`: rows x slice, the scores of classes first_class, first_class + 1, ...; each class is offered once.
  /// Parallel over rows with `threads` OpenMP threads. A NaN never wins a place.
  void offer(std::uint32_t first_class, MatrixView<const float> scores, int threads = 1);

  std::size_t rows() const { return classes_.rows(); }
  std::uint32_t width() const { return static_cast<std::uint32_t>(classes_.cols()); }
  /// Best first; -1 where there are fewer than `width` classes or the row is unreached.
  std::span<const std::int32_t> row(std::size_t i) const;
  /// The scores of row(i); -infinity beside a class of -1.
  std::span<const float> row_scores(std::size_t i) const;
  bool unreached(std::size_t i) const;  ///< no positive score (any sign: none but NaN)
  std::uint64_t unreached_rows() const;

 private:
  Matrix<std::int32_t> classes_;
  Matrix<float> scores_;
  bool any_sign_;
  std::vector<std::int32_t> no_classes_;  ///< what row() shows of an unreached row
  std::vector<float> no_scores_;
};

/// Fractions of rows (0..1), not percent. `novel`: over the rows whose true class is novel; NaN-free: 0 without rows.
struct Accuracy {
  double top5_all = 0, top5_novel = 0, top1_all = 0, top1_novel = 0;
};

/// `labels`: the true class of each row; `is_novel`: one entry a class. An unreached row counts as wrong.
Accuracy accuracy(const TopClasses& top, std::span<const std::int32_t> labels, const std::vector<bool>& is_novel);

/// Mean and population standard deviation (divisor N), as the paper's tables.
struct MeanStd {
  double mean = 0, std = 0;
};
MeanStd mean_std(std::span<const double> values);

}  // namespace lowshot
