#pragma once
// Label propagation on a graph with float weights: the paper's diffusion, and its relatives.
//
//   diffusion  L <- W L, columns divided by their sums, W = D^-1 B (paper, section 3.3)
//   restart    F <- alpha S F + (1 - alpha) Y, S = D^-1/2 B D^-1/2, from F = Y; its limit is the solution of
//              (I - alpha S) F = (1 - alpha) Y (Zhou, Bousquet, Lal, Weston, Schoelkopf 2004)
//   clamping   F <- W F, then rows of labelled nodes one-hot again, from F = Y (Zhu, Ghahramani, Lafferty 2003)
// Y: n x C one-hot labels, rows of nodes without a label 0.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "lowshot/context.h"
#include "lowshot/diffusion.h"
#include "lowshot/edge_weights.h"

namespace lowshot {

enum class Propagation { diffusion, restart, clamping };
std::string_view name(Propagation propagation);  ///< "diffusion", "restart", "clamping"
/// Throws Error (usage) for another word; so does solver_of.
Propagation propagation_of(const std::string& text);

enum class Solver {
  iterate,              ///< so many steps: a label gets as many edges far
  conjugate_gradients,  ///< restart: its limit, to a tolerance
};
std::string_view name(Solver solver);  ///< "iterations", "conjugate-gradients"
Solver solver_of(const std::string& text);

struct PropagationOptions {
  Propagation method = Propagation::diffusion;
  Solver solver = Solver::iterate;
  double alpha = 0.99;           ///< restart, 0 <= alpha < 1: the larger, the farther labels get; 0.99 is the authors'
  std::uint32_t iterations = 5;  ///< of `iterate`
  std::uint32_t read_from = 0;   ///< first iteration that is read out
  /// Of `conjugate_gradients`, of each class: |(1 - alpha) Y - (I - alpha S) F| <= tolerance (1 - alpha) |Y|. Steps are
  /// at most about ln(2 / tolerance) / 2 sqrt(2 / (1 - alpha)): 103 at 0.99 and 1e-6.
  double tolerance = 1e-6;
  std::uint32_t most_steps = 10000;
  /// restart, clamping: column c of the nodes without a label is divided by its sum there and multiplied by the share
  /// of class c among the labels (class mass normalisation, Zhu et al., section 4). A sum of 0 stays 0.
  bool class_mass = false;
  std::uint32_t slice = 0;  ///< classes at a time (memory only); 0 = 64; conjugate gradients take at most 16
};

struct PropagationReport {
  std::uint32_t steps = 0;  ///< of the class that took most
  double residual = 0;      ///< conjugate gradients: the largest |b - A f| / |b| of a class, as the recurrence has it
  bool converged = true;    ///< residual <= tolerance
};

/// Hands over F (L of the diffusion) of all nodes: iteration t (read_from .. iterations; of conjugate gradients the one
/// t = 0), classes first_class .. Each (t, slice) comes exactly once. `labels`: one a node, class or -1.
/// Deterministic: the same to the last bit whatever the threads and the slice. `iterate` is float32, sums of a row in
/// the order of its edges; conjugate gradients are float64, all right sides of a slice at once, each with its own step
/// lengths, and a class that has converged stands still. Memory: propagation_memory. Throws Error (usage) for options
/// that contradict each other.
PropagationReport propagate(Context& context, const WeightedGraphView& graph, std::span<const std::int32_t> labels,
                            std::uint32_t classes, const PropagationOptions& options, const ScoreSink& sink);
std::uint64_t propagation_memory(std::uint64_t nodes, std::uint32_t classes, const PropagationOptions& options);

/// What `propagate` says of contradicting options.
void require_consistent(const PropagationOptions& options);

}  // namespace lowshot
