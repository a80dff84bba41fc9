#pragma once
// What may take the place of the method's k-NN graph, its unit weights and its diffusion.

#include <filesystem>
#include <string>
#include <vector>

#include "lowshot/edge_weights.h"
#include "lowshot/propagation.h"

namespace lowshot {

struct Variant {
  Weighting weighting = {};             ///< of the k-NN graph's edges
  std::filesystem::path graph = {};     ///< a .npz in the place of the k-NN graph (lowshot/sparse_matrix.h), or none
  PropagationOptions propagation = {};  ///< iterations, read_from and slice are set by who runs it

  bool given_graph() const { return !graph.empty(); }
  bool solved() const { return propagation.solver == Solver::conjugate_gradients; }
  bool standard() const;  ///< unit weights on the k-NN graph, the paper's diffusion
};

/// Options of a run that a variant leaves no choice of, by their names on the command line without dashes, and why.
struct UnusedOption {
  std::string name, reason;
};
std::vector<UnusedOption> unused_options(const Variant& variant);

/// Throws Error (usage) for options that contradict each other.
void require_consistent(const Variant& variant);

/// "restart (alpha 0.99) on edges of weight selftuning".
std::string describe(const Variant& variant);

}  // namespace lowshot
