// Diffusion, restart and clamping on weighted graphs, against dense float64 matrices.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>

#include "lowshot/propagation.h"
#include "lowshot/weighted_diffusion.h"
#include "oracle/edge_weights.h"
#include "oracle/made_up_graphs.h"
#include "oracle/propagation.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using oracle::Dense;
using oracle::error_of;
using testing::HasSubstr;

/// A graph with self-tuning weights; nodes 0 .. alone - 1 have no edges.
struct Example {
  Dense b;
  Graph graph;
  EdgeWeights weights;
  std::vector<std::int32_t> labels;

  WeightedGraphView view() const { return {graph.view(), weights}; }
};

Example make_example(std::size_t n, std::size_t k, std::uint32_t classes, bool ordered, std::size_t alone = 0) {
  oracle::Cosines cosines = oracle::clustered_cosines(n, k, true, 4);
  for (std::size_t i = 0; i < n; ++i)
    std::erase_if(cosines.lists[i], [&](std::int64_t j) { return i < alone || static_cast<std::size_t>(j) < alone; });
  KnnTable table{oracle::ids_of(cosines.lists, k), Matrix<float>(n, k)};
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t e = 0; e < k; ++e)
      table.similarities(i, e) =
          table.ids(i, e) == no_node ? -1 : static_cast<float>(cosines.similarity(i, table.ids(i, e)));
  std::vector<NodeId> order;
  if (ordered) {
    order.resize(n);
    std::iota(order.begin(), order.end(), 0u);
    std::shuffle(order.begin(), order.end(), std::mt19937(5));
  }
  Example x;
  for (std::size_t i = 0; i < alone; ++i) cosines.lists[i].push_back(static_cast<std::int64_t>(i));  // for scales
  x.b = oracle::self_tuning(cosines, 2);
  for (std::size_t i = 0; i < alone; ++i) x.b(i, i) = 0;
  Context context;
  x.graph = symmetrise(context, table, {.order = order});
  x.weights = edge_weights(context, x.graph.view(), table, {.kind = Weighting::Kind::self_tuning});
  x.labels = oracle::labels(n, classes, 5, 6);
  return x;
}

/// What `propagate` hands over, whole, by iteration.
struct Answer {
  std::map<std::uint32_t, Dense> at;
  PropagationReport report;
};

Answer answer_of(const Example& x, std::uint32_t classes, const PropagationOptions& options, int threads = 2) {
  Context context;
  context.threads = threads;
  Answer answer;
  std::map<std::uint32_t, std::size_t> columns;
  answer.report = propagate(context, x.view(), x.labels, classes, options,
                            [&](std::uint32_t t, std::uint32_t first, MatrixView<const float> f) {
                              Dense& whole = answer.at.try_emplace(t, f.rows(), classes).first->second;
                              for (std::size_t i = 0; i < f.rows(); ++i)
                                for (std::size_t c = 0; c < f.cols(); ++c) whole(i, first + c) = f(i, c);
                              columns[t] += f.cols();
                            });
  for (const auto& [t, count] : columns) EXPECT_EQ(count, classes) << t;
  return answer;
}

void expect_near(const Dense& found, const Dense& expected, double tolerance) {
  ASSERT_EQ(found.values.size(), expected.values.size());
  for (std::size_t e = 0; e < found.values.size(); ++e)
    ASSERT_NEAR(found.values[e], expected.values[e], tolerance) << "element " << e;
}

constexpr double rounding = 2e-6;  // some additions of float32 values below 1

TEST(Propagation, RestartIsAsTheOracleSaysAfterEveryIteration) {
  for (const std::uint32_t classes : {1u, 3u, 21u})
    for (const bool ordered : {false, true}) {
      const Example x = make_example(120, 6, classes, ordered, 6);
      const Answer answer = answer_of(x, classes, {.method = Propagation::restart, .alpha = 0.9, .iterations = 6});
      ASSERT_EQ(answer.at.size(), 7u);
      for (const auto& [t, f] : answer.at)
        expect_near(f, oracle::restart(x.b, oracle::one_hot(x.labels, classes), 0.9, t), rounding);
    }
}

TEST(Propagation, ClampingIsAsTheOracleSaysAfterEveryIteration) {
  for (const std::uint32_t classes : {1u, 3u, 21u})
    for (const bool ordered : {false, true}) {
      const Example x = make_example(120, 6, classes, ordered, 6);
      const Answer answer = answer_of(x, classes, {.method = Propagation::clamping, .iterations = 6, .slice = 16});
      ASSERT_EQ(answer.at.size(), 7u);
      for (const auto& [t, f] : answer.at) expect_near(f, oracle::clamping(x.b, x.labels, classes, t), rounding);
    }
}

TEST(Propagation, DiffusionIsThatOfAllClassesAtOnce) {
  constexpr std::uint32_t classes = 21;
  for (const bool ordered : {false, true}) {
    const Example x = make_example(120, 6, classes, ordered, 6);
    const Answer answer = answer_of(x, classes, {.iterations = 4, .read_from = 4, .slice = 8});
    ASSERT_EQ(answer.at.size(), 1u);
    Context context;
    Matrix<float> l = one_hot_labels(x.labels, classes);
    diffuse_weighted(context, x.view(), l, 4);
    for (std::size_t e = 0; e < l.size(); ++e) ASSERT_EQ(answer.at.at(4).values[e], l.data()[e]);
  }
}

TEST(Propagation, ClassMassesFollowTheLabels) {
  constexpr std::uint32_t classes = 5;  // of which class 1 has no label
  const Example x = make_example(150, 6, classes, true);
  for (const Propagation method : {Propagation::clamping, Propagation::restart}) {
    const PropagationOptions options{
        .method = method, .alpha = 0.8, .iterations = 7, .read_from = 7, .class_mass = true};
    const Dense f = method == Propagation::clamping ? oracle::clamping(x.b, x.labels, classes, 7)
                                                    : oracle::restart(x.b, oracle::one_hot(x.labels, classes), 0.8, 7);
    const Dense found = answer_of(x, classes, options).at.at(7);
    expect_near(found, oracle::class_mass(f, x.labels), rounding);
    std::vector<double> mass(classes), count(classes);
    for (std::size_t i = 0; i < x.labels.size(); ++i)
      for (std::uint32_t c = 0; c < classes; ++c) {
        if (x.labels[i] < 0) mass[c] += found(i, c);
        if (x.labels[i] == static_cast<std::int32_t>(c)) count[c] += 1;
      }
    for (std::uint32_t c = 0; c < classes; ++c)
      EXPECT_NEAR(mass[c], count[c] / std::accumulate(count.begin(), count.end(), 0.0), 1e-5);
  }
}

TEST(Propagation, ConjugateGradientsReachTheLimit) {
  for (const std::uint32_t classes : {1u, 3u, 21u})
    for (const double alpha : {0.0, 0.5, 0.99}) {
      const Example x = make_example(120, 6, classes, classes == 3, 6);
      const Dense y = oracle::one_hot(x.labels, classes);
      for (const double tolerance : {1e-3, 1e-9}) {
        const Answer answer = answer_of(x, classes,
                                        {.method = Propagation::restart,
                                         .solver = Solver::conjugate_gradients,
                                         .alpha = alpha,
                                         .tolerance = tolerance});
        EXPECT_TRUE(answer.report.converged);
        EXPECT_LE(answer.report.residual, tolerance);
        // what is handed over is float32, and so is D^-1/2: each is off by some 1e-7, which (I - alpha S) does not
        // enlarge
        for (const double residual : oracle::residuals(x.b, y, alpha, answer.at.at(0)))
          EXPECT_LE(residual, tolerance + 1e-6 / (1 - alpha));
        if (tolerance == 1e-9) expect_near(answer.at.at(0), oracle::restart_limit(x.b, y, alpha), rounding);
        // the bound of the header, by the condition number (1 + alpha) / (1 - alpha)
        EXPECT_LE(answer.report.steps, 1 + std::log(2 / tolerance) / 2 * std::sqrt(2 / (1 - alpha)) * 1.2);
      }
    }
}

TEST(Propagation, ConjugateGradientsSayWhenTheyAreNotThere) {
  const Example x = make_example(120, 6, 3, false);
  const Answer answer = answer_of(
      x, 3,
      {.method = Propagation::restart, .solver = Solver::conjugate_gradients, .tolerance = 1e-9, .most_steps = 2});
  EXPECT_EQ(answer.report.steps, 2u);
  EXPECT_GT(answer.report.residual, 1e-9);
  EXPECT_FALSE(answer.report.converged);
}

TEST(Propagation, ThreadsAndSlicesChangeNothing) {
  constexpr std::uint32_t classes = 21;
  const Example x = make_example(1500, 6, classes, true, 6);  // two blocks of a sum
  for (const PropagationOptions& base :
       {PropagationOptions{.method = Propagation::diffusion}, PropagationOptions{.method = Propagation::restart},
        PropagationOptions{.method = Propagation::clamping, .class_mass = true},
        PropagationOptions{
            .method = Propagation::restart, .solver = Solver::conjugate_gradients, .class_mass = true}}) {
    const Answer first = answer_of(x, classes, base, 1);
    for (const int threads : {2, 5})
      for (const std::uint32_t slice : {1u, 7u, 64u}) {
        PropagationOptions options = base;
        options.slice = slice;
        const Answer other = answer_of(x, classes, options, threads);
        ASSERT_EQ(other.at.size(), first.at.size());
        for (const auto& [t, f] : first.at) EXPECT_EQ(other.at.at(t).values, f.values);
        EXPECT_EQ(other.report.steps, first.report.steps);
        EXPECT_EQ(other.report.residual, first.report.residual);
      }
  }
}

TEST(Propagation, RefusesOptionsThatContradictEachOther) {
  const auto refused = [](const PropagationOptions& options) { return error_of([&] { require_consistent(options); }); };
  EXPECT_THAT(refused({.method = Propagation::restart, .alpha = 1}), HasSubstr("usage: alpha must be"));
  EXPECT_THAT(refused({.method = Propagation::restart, .alpha = -0.1}), HasSubstr("below 1 and is -0.1"));
  EXPECT_THAT(refused({.method = Propagation::clamping, .solver = Solver::conjugate_gradients}),
              HasSubstr("solve the restart propagation and not clamping"));
  EXPECT_THAT(refused({.class_mass = true}), HasSubstr("every class the same mass"));
  EXPECT_THAT(refused({.method = Propagation::restart, .solver = Solver::conjugate_gradients, .tolerance = 0}),
              HasSubstr("tolerance"));
}

}  // namespace
}  // namespace lowshot
