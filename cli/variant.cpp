#include "variant.h"

#include <fmt/format.h>

#include "lowshot/error.h"

namespace lowshot::cli {

void add_variant_options(CLI::App& command, VariantOptions& options, bool listed, const std::string& images) {
  command
      .add_option(
          "--weights", options.weights,
          fmt::format(
              "Weights of the graph's edges: unit, cosine:G (the cosine to the power of G), selftuning (by the "
              "distance over the distances to both rows' last neighbours){}",
              listed ? ", or a file: npy float32 [rows, k], a weight for each neighbour of the kept table" : ""))
      ->capture_default_str();
  command.add_option(
      "--graph", options.graph,
      fmt::format("A graph of your own in place of the k-NN graph: .npz of scipy.sparse.save_npz, CSR, {}", images));
  command
      .add_option(
          "--propagation", options.propagation,
          "How labels spread: diffusion (the paper's), restart (a share of each label comes back at every step; "
          "Zhou et al.), clamping (labelled rows keep their label; Zhu et al.)")
      ->check(CLI::IsMember({"diffusion", "restart", "clamping"}))
      ->capture_default_str();
  command
      .add_option(
          "--alpha", options.alpha,
          "Of restart: the share that comes from the neighbours, 0 to below 1; the larger, the farther labels get")
      ->capture_default_str();
  command
      .add_option("--solver", options.solver,
                  "Of restart: iterations, or conjugate-gradients, which solves for their limit")
      ->check(CLI::IsMember({"iterations", "conjugate-gradients"}))
      ->capture_default_str();
  command.add_flag(
      "--class-mass", options.class_mass,
      "Of restart and clamping: the unlabelled rows' scores of a class are scaled to its share of the labels");
}

Variant variant_of(const CLI::App& command, const VariantOptions& options) {
  Variant variant;
  variant.weighting = weighting_of(options.weights);
  variant.graph = options.graph;
  variant.propagation.method = propagation_of(options.propagation);
  variant.propagation.solver = solver_of(options.solver);
  variant.propagation.alpha = options.alpha;
  variant.propagation.class_mass = options.class_mass;
  require_consistent(variant);
  for (const UnusedOption& unused : unused_options(variant)) {
    const std::string name = "--" + unused.name;
    const CLI::Option* option = command.get_option_no_throw(name);
    if (option != nullptr && option->count() != 0)
      throw Error(ErrorKind::usage, unused.reason, name, "leave the option out");
  }
  return variant;
}

Json variant_json(const Variant& variant) {
  const PropagationOptions& p = variant.propagation;
  return {{"weights", variant.given_graph() ? Json(nullptr) : Json(text_of(variant.weighting))},
          {"graph", variant.given_graph() ? Json(variant.graph.string()) : Json(nullptr)},
          {"propagation", name(p.method)},
          {"alpha", p.method == Propagation::restart ? Json(p.alpha) : Json(nullptr)},
          {"solver", name(p.solver)},
          {"class_mass", p.class_mass}};
}

Json propagation_json(const PropagationReport& report, bool solved) {
  Json json = {{"steps", report.steps}};
  if (solved) json["residual"] = report.residual;
  return json;
}

std::string solution_text(const PropagationReport& report) {
  return fmt::format("{} in {} steps of conjugate gradients (residual {:.1e})",
                     report.converged ? "solved" : "not yet solved", report.steps, report.residual);
}

}  // namespace lowshot::cli
