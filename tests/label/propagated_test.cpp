// Held-out answers on weighted graphs, against one propagation a fold in float64.
#include "label/propagated.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "lowshot/hold_out.h"
#include "lowshot/label.h"
#include "lowshot/sparse_matrix.h"
#include "oracle/dense.h"
#include "oracle/propagation.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using oracle::Dense;

constexpr std::size_t nodes = 90;
constexpr std::uint32_t classes = 5;

/// Weights between random nodes, symmetric; three in four join nodes of one class.
struct Made {
  Dense b{nodes, nodes};
  WeightedGraph graph;
  std::vector<std::int32_t> labels;
};

Made make(std::uint32_t seed) {
  std::mt19937 random(seed);
  Made made;
  for (std::size_t e = 0; e < 6 * nodes; ++e) {
    const std::size_t i = random() % nodes;
    const std::size_t j = random() % 4 == 0 ? random() % nodes : (i + classes * (random() % (nodes / classes))) % nodes;
    made.b(i, j) = made.b(j, i) = static_cast<double>(1 + random() % 16) / 8;
  }
  SparseMatrix m{nodes, nodes, {0}, {}, {}};
  for (std::size_t i = 0; i < nodes; ++i) {
    for (std::size_t j = 0; j < nodes; ++j)
      if (made.b(i, j) != 0) {
        m.columns.push_back(static_cast<std::uint32_t>(j));
        m.values.push_back(static_cast<float>(made.b(i, j)));
      }
    m.offsets.push_back(m.columns.size());
  }
  Context context;
  made.graph = weighted_graph(context, m, "made up");
  for (std::size_t i = 0; i < nodes; ++i)
    made.labels.push_back(i % 3 == 0 ? static_cast<std::int32_t>(i % classes) : -1);
  // One class with a single label: it is never held out.
  bool kept = false;
  for (std::int32_t& c : made.labels)
    if (c == 4) c = kept ? -1 : 4, kept = true;
  return made;
}

Dense spread(const Made& made, const std::vector<std::int32_t>& labels, const PropagationOptions& p, std::size_t t) {
  const Dense y = oracle::one_hot(labels, classes);
  const Dense f = p.solver == Solver::conjugate_gradients ? oracle::restart_limit(made.b, y, p.alpha)
                  : p.method == Propagation::restart      ? oracle::restart(made.b, y, p.alpha, t)
                                                          : oracle::clamping(made.b, labels, classes, t);
  return p.class_mass ? oracle::class_mass(f, labels) : f;
}

TEST(PropagatedLabels, HeldOutAnswersAreThoseOfTheOtherFolds) {
  const Made made = make(5);
  for (const bool mass : {false, true})
    for (const auto& [method, solver] : {std::pair(Propagation::restart, Solver::iterate),
                                         std::pair(Propagation::restart, Solver::conjugate_gradients),
                                         std::pair(Propagation::clamping, Solver::iterate)}) {
      LabelOptions options;
      options.iterations = 3;
      options.slice = 2;
      options.propagation = PropagationOptions{.method = method, .solver = solver, .alpha = 0.8, .class_mass = mass};
      if (solver == Solver::conjugate_gradients) options.iterations.reset();
      Context context = oracle::context_of(best_isa(), 2);
      const HeldOutScores held = hold_out_propagated(context, made.graph.view(), made.labels, classes, options);
      ASSERT_EQ(held.iterations, solver == Solver::iterate ? 3u : 1u);
      EXPECT_EQ(held.unchecked_classes, std::vector<std::int32_t>{4});

      std::vector<std::int32_t> given;
      std::vector<std::size_t> labelled;
      for (std::size_t i = 0; i < nodes; ++i)
        if (made.labels[i] >= 0) given.push_back(made.labels[i]), labelled.push_back(i);
      const Matrix<std::uint8_t> folds = stratified_folds(given, classes, options.folds, 1, options.seed);
      ASSERT_EQ(held.nodes.size(), labelled.size() - 1);
      for (std::uint32_t t = 1; t <= held.iterations; ++t)
        for (std::size_t i = 0, h = 0; i < labelled.size(); ++i) {
          if (folds(0, i) == never_held_out) continue;
          std::vector<std::int32_t> others = made.labels;
          for (std::size_t j = 0; j < labelled.size(); ++j)
            if (folds(0, j) == folds(0, i)) others[labelled[j]] = -1;
          const Dense f = spread(made, others, *options.propagation, t);
          double total = 0, best = 0;
          for (std::size_t c = 0; c < classes; ++c) {
            total += f(labelled[i], c);
            best = std::max(best, f(labelled[i], c));
          }
          const HeldOutAnswer& answer = held.at(t, 0)[h];
          ASSERT_EQ(held.nodes[h++], labelled[i]);
          EXPECT_NEAR(answer.mass, total, 1e-5 * std::max(1.0, total));
          if (total == 0) continue;
          EXPECT_NEAR(answer.confidence, best / total, 1e-4);
          EXPECT_NEAR(answer.given_confidence, f(labelled[i], static_cast<std::size_t>(given[i])) / total, 1e-4);
          EXPECT_NEAR(f(labelled[i], static_cast<std::size_t>(answer.predicted)), best, 1e-5);
        }
    }
}

TEST(PropagatedLabels, SayNothingOfThreadsAndSlices) {
  const Made made = make(6);
  for (const Propagation method : {Propagation::diffusion, Propagation::restart, Propagation::clamping}) {
    LabelOptions options;
    options.propagation = PropagationOptions{.method = method};
    Context one = oracle::context_of(best_isa(), 1), two = oracle::context_of(best_isa(), 2);
    const LabelResult a = label_nodes(one, made.graph.view(), made.labels, classes, options);
    options.slice = 1;
    const LabelResult b = label_nodes(two, made.graph.view(), made.labels, classes, options);
    EXPECT_EQ(a.hold_out.recipe, LabelRecipe::graph);
    EXPECT_EQ(a.hold_out.iterations, b.hold_out.iterations);
    EXPECT_EQ(a.hold_out.accuracy_by_iteration.size(), method == Propagation::diffusion ? 5u : 20u);
    EXPECT_EQ(a.hold_out.accuracy_by_iteration, b.hold_out.accuracy_by_iteration);
    EXPECT_EQ(a.typicality, b.typicality);
    EXPECT_TRUE(std::equal(a.classes.data(), a.classes.data() + a.classes.size(), b.classes.data()));
    EXPECT_GT(a.hold_out.accuracy, 0.5);  // chance is 0.2
  }
}

}  // namespace
}  // namespace lowshot
