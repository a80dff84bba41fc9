#pragma once
// Options of `diffusion` and `label` for what takes the place of unit weights, k-NN graph and diffusion.

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "common.h"
#include "lowshot/variant.h"

namespace lowshot::cli {

struct VariantOptions {
  std::string weights = "unit", graph, propagation = "diffusion", solver = "iterations";
  double alpha = PropagationOptions{}.alpha;
  bool class_mass = false;
};

/// Adds --weights, --graph, --propagation, --alpha, --solver and --class-mass. `listed`: --weights may name a file;
/// `images`: what --graph has a row and a column for.
void add_variant_options(CLI::App& command, VariantOptions& options, bool listed, const std::string& images);

/// Error (usage) for options that contradict each other and for other options of the command that would be passed over.
Variant variant_of(const CLI::App& command, const VariantOptions& options);

/// {weights, graph, propagation, alpha, solver, class_mass} of the options of a run; null what is not there.
Json variant_json(const Variant& variant);
/// {steps, residual} of a solution, {steps} else.
Json propagation_json(const PropagationReport& report, bool solved);
/// "solved in 87 steps of conjugate gradients (residual 9.1e-07)"; says so where it did not come that far.
std::string solution_text(const PropagationReport& report);

}  // namespace lowshot::cli
