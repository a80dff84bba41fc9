#pragma once
// What the graph says of each labelled node when its own label is held out.
//
// Diffusion is linear in the labels: U_t for any set of labelled nodes is the sum of the columns of its members. So one
// diffusion, with a column for each label (or for each class and fold where labels are many), answers every fold of
// every repeat: the scores of a fold are sums over the columns that it leaves in.

#include <cstdint>
#include <span>
#include <vector>

#include "lowshot/context.h"
#include "lowshot/graph.h"
#include "lowshot/label.h"
#include "lowshot/matrix.h"

namespace lowshot {

/// What is said of one held-out node in one repeat at one iteration.
struct HeldOutAnswer {
  std::int32_t predicted = -1;  ///< -1: no other label reached it
  float confidence = 0;         ///< of `predicted`
  float given_confidence = 0;   ///< of the node's own class
  float mass = 0;               ///< of all classes' columns there: how much of the labels reached it
};

struct HeldOutScores {
  std::vector<std::uint32_t> nodes;  ///< labelled nodes that were held out, rising
  std::vector<std::int32_t> given;   ///< their classes
  std::vector<std::int32_t> unchecked_classes;
  std::uint32_t iterations = 0, repeats = 0;
  std::vector<HeldOutAnswer> answers;  ///< [iteration 1 .. T][repeat][node]

  std::span<const HeldOutAnswer> at(std::uint32_t iteration, std::uint32_t repeat) const {
    return std::span(answers).subspan(((iteration - 1) * std::size_t{repeats} + repeat) * nodes.size(), nodes.size());
  }
};

/// What the diffusion from the labels that each fold of the first repeat leaves in reads out, and from all of them: at
/// the nodes that are held out (from their own fold) and at a sample of unlabelled nodes (from each).
struct FoldVotes {
  std::uint32_t first_iteration = 0, iterations = 0;  ///< first .. last that is there
  std::uint32_t folds = 0;
  std::vector<std::uint8_t> fold_of_node;  ///< in which HeldOutScores::nodes are held out
  std::vector<Matrix<float>> held;         ///< [iteration]: held-out nodes x C
  std::vector<Matrix<float>> sample;       ///< [iteration][fold 0 .. folds - 1, then all labels]: sample x C

  const Matrix<float>& held_at(std::uint32_t t) const { return held[t - first_iteration]; }
  const Matrix<float>& sample_at(std::uint32_t t, std::uint32_t fold) const {
    return sample[(t - first_iteration) * (folds + 1) + fold];
  }
};

/// More are not held out: then it is every m-th of them.
inline constexpr std::uint64_t most_held_out = 20000;

/// Iterations 1 .. `iterations`. At most `most_held_out` labelled nodes are held out (every m-th of each class beyond
/// that).
/// `votes` (with the `sample` of unlabelled nodes) receives the read-outs of iterations votes->first_iteration and on.
HeldOutScores hold_out(Context& context, const GraphView& graph, std::span<const std::int32_t> labels,
                       std::uint32_t classes, const LabelOptions& options, std::uint32_t iterations,
                       std::span<const std::uint32_t> sample = {}, FoldVotes* votes = nullptr);

/// Of the labelled classes those with a single label.
double unchecked_share(const HeldOutScores& held);

/// `best`, chosen by what is held out, moved by unchecked_share towards `last`, rounded up: classes that cannot be held
/// out have no say in `best`, and the last iteration was the best for them wherever we measured.
std::uint32_t moved_for_unchecked(const HeldOutScores& held, std::uint32_t best, std::uint32_t last);

/// Bytes that it holds beside the diffusion and `votes`.
std::uint64_t hold_out_memory(std::uint64_t labelled, std::uint32_t classes, const LabelOptions& options);

}  // namespace lowshot
