#include "lowshot/variant.h"

#include <fmt/format.h>

#include "lowshot/error.h"

namespace lowshot {

bool Variant::standard() const {
  return weighting.kind == Weighting::Kind::unit && !given_graph() && propagation.method == Propagation::diffusion &&
         !solved() && !propagation.class_mass;
}

std::vector<UnusedOption> unused_options(const Variant& variant) {
  std::vector<UnusedOption> unused;
  const auto add = [&](std::initializer_list<const char*> names, const std::string& reason) {
    for (const char* name : names) unused.push_back({name, fmt::format("{} has no {}", reason, name)});
  };
  if (variant.given_graph())
    add({"weights", "k", "knn", "recall", "pca", "background", "on-bad"}, "a graph that is given");
  if (!variant.standard()) add({"prune", "storage"}, "propagation on edges with weights");
  if (variant.propagation.method != Propagation::restart)
    add({"alpha"}, fmt::format("the propagation {}", name(variant.propagation.method)));
  if (variant.solved()) add({"niter", "iterations"}, "a solution by conjugate gradients");
  return unused;
}

void require_consistent(const Variant& variant) {
  require_consistent(variant.propagation);
  if (variant.given_graph() && variant.weighting.kind != Weighting::Kind::unit)
    throw Error(ErrorKind::usage, "a graph that is given has its own weights", text_of(variant.weighting),
                "leave --weights out, or --graph");
}

std::string describe(const Variant& variant) {
  const PropagationOptions& p = variant.propagation;
  std::string text(name(p.method));
  if (p.method == Propagation::restart) text += fmt::format(" (alpha {})", p.alpha);
  if (p.class_mass) text += " with class masses";
  text += variant.given_graph() ? fmt::format(" on the graph {}", variant.graph.string())
                                : fmt::format(" on edges of weight {}", text_of(variant.weighting));
  return text;
}

}  // namespace lowshot
