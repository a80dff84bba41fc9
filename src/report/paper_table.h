#pragma once
// The paper's table beside ours.

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "report/result_table.h"

namespace lowshot {

/// Top-5 accuracies in percent on the test classes of ImageNet, means over seeds 1 to 5.
struct PaperRow {
  std::uint32_t nlabeled;
  std::uint64_t background_rows;  ///< 0: logistic regression
  double all, novel;
};

/// Douze, Szlam, Hariharan, Jegou, "Low-shot learning with large-scale diffusion", CVPR 2018; the digits are those of
/// the released code's own output, the columns F1M, F10M, F100M and logistic regression.
std::span<const PaperRow> paper_rows();
constexpr std::uint32_t paper_classes = 507;  ///< of the test set: 196 base, 311 novel

/// Points by which a mean may differ, beside one standard deviation of ours over the seeds: two right programs draw
/// other random numbers (background graph from an approximate index, unseeded SGD).
constexpr double paper_tolerance = 0.5;

struct Comparison {
  std::uint32_t nlabeled = 0;
  std::string column;
  bool novel = false;
  double ours = 0, std = 0, theirs = 0;

  double difference() const;  ///< ours - theirs; never -0.00
  bool inside() const;        ///< |difference| <= paper_tolerance + std
};

/// Every cell of the table (of test runs) that the paper has, too.
std::vector<Comparison> compare_with_paper(const ResultTable& table);

/// Aligned lines, a rule of what "inside" means, and a count.
std::string comparison_text(const std::vector<Comparison>& comparisons, std::uint32_t classes);

}  // namespace lowshot
