#pragma once
// A recipe in one run: the models of its split, the diffusion that it wants, and its answer.

#include "experiment/experiment_nodes.h"
#include "lowshot/experiment.h"

namespace lowshot {

class RecipeRun {
 public:
  /// `part` has a recipe; everything must outlive the run.
  RecipeRun(Context& context, const StaticPart& part, const ExperimentOptions& options, const Split& split);

  /// small: as in the paper; full: on weighted edges. `sink` gets the read-outs of all iterations.
  void diffuse(const GraphView& graph, const ExperimentNodes& nodes, const ScoreSink& sink);
  /// The test rows' best classes by diffusion and classifier together; after `diffuse`.
  TopClasses answer();
  /// Whole after `answer`.
  const RecipeEvidence& evidence() const { return evidence_; }

 private:
  Context& context_;
  const StaticPart& part_;
  const ExperimentOptions& options_;
  const Split& split_;
  bool full_;
  ThreePartModel three_;  // full
  Matrix<float> votes_;   // the last read-out of all classes
  RecipeEvidence evidence_;
};

}  // namespace lowshot
