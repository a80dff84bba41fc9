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

namespace lowshot {

/// What is said of one held-out node in one repeat at one iteration.
struct HeldOutAnswer {
  std::int32_t predicted = -1;  ///< -1: no other label reached it
  float confidence = 0;         ///< share of `predicted`
  float given_confidence = 0;   ///< share of the node's own class
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

/// Iterations 1 .. `iterations`. At most 20,000 labelled nodes are held out (every m-th of each class beyond that).
HeldOutScores hold_out(Context& context, const GraphView& graph, std::span<const std::int32_t> labels,
                       std::uint32_t classes, const LabelOptions& options, std::uint32_t iterations);

}  // namespace lowshot
