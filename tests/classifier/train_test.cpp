#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "classifier/balanced_draws.h"
#include "core/half.h"
#include "lowshot/logreg.h"
#include "oracle/made_up_rows.h"
#include "oracle/softmax_regression.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using oracle::context_of;
using oracle::Dense;
using oracle::machine_isas;

// Row i is of class i % classes, but for the last class, which has one row alone.
RowsOfClasses rows_of_classes(std::size_t rows, std::size_t classes) {
  RowsOfClasses labelled(classes);
  for (std::uint32_t i = 0; i + 1 < rows; ++i) labelled[i % (classes - 1)].push_back(i);
  labelled.back().push_back(static_cast<std::uint32_t>(rows - 1));
  return labelled;
}

Dense dense(const SoftmaxModel& model) {
  Dense d(model.weights.rows(), model.weights.cols());
  for (std::size_t e = 0; e < d.values.size(); ++e) d.values[e] = model.weights.data()[e];
  return d;
}

SoftmaxModel train(Context context, const DescriptorView& rows, const RowsOfClasses& labelled,
                   const LogregOptions& options, std::uint32_t report_every = 0) {
  SoftmaxModel model =
      initial_model(static_cast<std::uint32_t>(labelled.size()), static_cast<std::uint32_t>(rows.cols()), options.seed);
  train_softmax(context, rows, labelled, options, model, report_every);
  return model;
}

// The same steps in float64, with the library's draws and first weights.
Dense oracle_train(const oracle::MadeUpRows& rows, const RowsOfClasses& labelled, const LogregOptions& options) {
  Dense weights = dense(
      initial_model(static_cast<std::uint32_t>(labelled.size()), static_cast<std::uint32_t>(rows.d), options.seed));
  Dense velocity(weights.rows, weights.cols);
  classifier::BalancedDraws draws(labelled, options.seed);
  std::vector<classifier::Draw> batch(options.batch);
  for (std::uint32_t t = 0; t < options.iterations; ++t) {
    draws.next(batch);
    Dense x(options.batch, rows.d);
    std::vector<std::uint32_t> labels;
    for (std::size_t b = 0; b < batch.size(); ++b) {
      for (std::size_t d = 0; d < rows.d; ++d) x(b, d) = rows.row(batch[b].row)[d];
      labels.push_back(batch[b].label);
    }
    oracle::regression_step(weights, velocity, x, labels, options.learning_rate, options.weight_decay,
                            options.momentum);
  }
  return weights;
}

bool same_bits(const SoftmaxModel& a, const SoftmaxModel& b) {
  return a.weights.size() == b.weights.size() &&
         std::memcmp(a.weights.data(), b.weights.data(), a.weights.size() * sizeof(float)) == 0;
}

TEST(SoftmaxOracle, GradientIsThatOfFiniteDifferences) {
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  Dense weights(4, 6), x(7, 5);
  for (double& v : weights.values) v = normal(random);
  for (double& v : x.values) v = normal(random);
  const std::vector<std::uint32_t> labels = {0, 3, 1, 1, 2, 0, 3};
  const Dense gradient = oracle::regression_gradient(weights, x, labels);
  const double h = 1e-5;
  for (std::size_t e = 0; e < weights.values.size(); ++e) {
    Dense up = weights, down = weights;
    up.values[e] += h;
    down.values[e] -= h;
    const double slope = (oracle::regression_loss(up, x, labels) - oracle::regression_loss(down, x, labels)) / (2 * h);
    EXPECT_NEAR(gradient.values[e], slope, 1e-9) << "weight " << e;
  }
}

struct Case {
  std::uint32_t classes, dim, batch;
};

// Sizes about the edges of a panel (32 classes), of a tile (12 and 6 rows or inputs) and of an input block (132).
constexpr Case cases[] = {{2, 1, 1},    {2, 16, 5},   {3, 17, 16},   {31, 40, 12},   {32, 11, 13},
                          {33, 50, 18}, {65, 131, 7}, {70, 133, 20}, {100, 300, 128}};

TEST(TrainSoftmax, OneStepIsTheGradient) {
  for (const Case& c : cases)
    for (const Isa isa : machine_isas())
      for (const int threads : {1, 2, 3}) {
        SCOPED_TRACE(testing::Message() << c.classes << " classes, dim " << c.dim << ", batch " << c.batch << ", "
                                        << name(isa) << ", threads " << threads);
        const oracle::MadeUpRows rows = oracle::make_rows(oracle::Shape::gaussian, 300, c.dim, 5);
        const RowsOfClasses labelled = rows_of_classes(300, c.classes);
        const LogregOptions options{.iterations = 1, .learning_rate = 1, .batch = c.batch, .seed = 3};
        const SoftmaxModel model = train(context_of(isa, threads), oracle::view(rows), labelled, options);
        const Dense expected = oracle_train(rows, labelled, options);
        // Weights are below 4; each is a sum of up to 300 (logits) and 128 (gradient) products of values below 5 that
        // are of either sign, so their roundings are about sqrt(428) halves of the last place of 1.
        for (std::size_t e = 0; e < expected.values.size(); ++e)
          ASSERT_NEAR(model.weights.data()[e], expected.values[e], 4e-6) << "weight " << e;
      }
}

TEST(TrainSoftmax, SeveralStepsWithDecayAndMomentum) {
  for (const Case& c : cases)
    for (const Isa isa : machine_isas())
      for (const double momentum : {0.0, 0.9})
        for (const double decay : {0.0, 0.1}) {
          SCOPED_TRACE(testing::Message() << c.classes << " classes, dim " << c.dim << ", batch " << c.batch << ", "
                                          << name(isa) << ", momentum " << momentum << ", decay " << decay);
          const oracle::MadeUpRows rows = oracle::make_rows(oracle::Shape::gaussian, 300, c.dim, 6);
          const RowsOfClasses labelled = rows_of_classes(300, c.classes);
          const LogregOptions options{.iterations = 7,
                                      .learning_rate = 0.1,
                                      .weight_decay = decay,
                                      .momentum = momentum,
                                      .batch = c.batch,
                                      .seed = 4};
          const SoftmaxModel model = train(context_of(isa, 2), oracle::view(rows), labelled, options);
          const Dense expected = oracle_train(rows, labelled, options);
          for (std::size_t e = 0; e < expected.values.size(); ++e)
            ASSERT_NEAR(model.weights.data()[e], expected.values[e], 4e-6) << "weight " << e;
        }
}

TEST(TrainSoftmax, GivesTheSameBitsWhateverThreadsInstructionSetAndReports) {
  const oracle::MadeUpRows rows = oracle::make_rows(oracle::Shape::clustered, 400, 77, 7);
  const RowsOfClasses labelled = rows_of_classes(400, 101);
  const LogregOptions options{
      .iterations = 230, .learning_rate = 0.5, .weight_decay = 0.01, .momentum = 0.5, .batch = 19, .seed = 9};
  const SoftmaxModel first = train(context_of(Isa::avx2, 1), oracle::view(rows), labelled, options);
  for (const Isa isa : machine_isas())
    for (const int threads : {1, 2, 3, 9})
      for (const std::uint32_t report_every : {0u, 1u, 50u})
        EXPECT_TRUE(
            same_bits(first, train(context_of(isa, threads), oracle::view(rows), labelled, options, report_every)))
            << name(isa) << ", " << threads << " threads, reports every " << report_every;
  LogregOptions other = options;
  other.seed = 10;
  EXPECT_FALSE(same_bits(first, train(context_of(Isa::avx2, 1), oracle::view(rows), labelled, other)));
}

TEST(TrainSoftmax, HalfRowsAreTheirFloats) {
  const oracle::MadeUpRows rows = oracle::make_rows(oracle::Shape::gaussian, 60, 37, 8);
  Matrix<Half> half(60, 37);
  convert(rows.values.data(), half.data(), half.size());
  Matrix<float> single(60, 37);
  convert(half.data(), single.data(), half.size());
  const RowsOfClasses labelled = rows_of_classes(60, 5);
  const LogregOptions options{.iterations = 20, .batch = 8};
  const Context context = context_of(best_isa(), 2);
  EXPECT_TRUE(
      same_bits(train(context, {half.view(), {}}, labelled, options), train(context, single, labelled, options)));
}

TEST(TrainSoftmax, ReportsAndLearns) {
  const oracle::MadeUpRows rows = oracle::make_rows(oracle::Shape::unit, 40, 30, 2);
  const RowsOfClasses labelled = rows_of_classes(40, 40);  // one row a class
  Context context = context_of(best_isa(), 2);
  SoftmaxModel model = initial_model(40, 30, 1);
  std::vector<std::uint32_t> iterations;
  std::vector<float> losses;
  train_softmax(context, oracle::view(rows), labelled, {.iterations = 1200, .learning_rate = 1, .batch = 32}, model,
                500, [&](const TrainingState& s) {
                  iterations.push_back(s.iteration);
                  losses.push_back(s.loss);
                });
  EXPECT_EQ(iterations, (std::vector<std::uint32_t>{500, 1000, 1200}));
  EXPECT_LT(losses[0], 3.5);  // ln(40) = 3.69 without knowledge
  EXPECT_LT(losses[2], losses[0]);
  Matrix<float> scores(40, 40);
  log_softmax(context, model, oracle::view(rows), scores);
  for (std::size_t c = 0; c < 40; ++c) {
    const float* row = scores.row(labelled[c][0]);
    EXPECT_EQ(std::max_element(row, row + 40) - row, static_cast<std::ptrdiff_t>(c));
  }
}

TEST(TrainSoftmax, RefusesWhatMakesNoSense) {
  const oracle::MadeUpRows rows = oracle::make_rows(oracle::Shape::gaussian, 20, 6, 2);
  const auto error = [&](const RowsOfClasses& labelled, const LogregOptions& options) {
    return oracle::error_of([&] { train(Context(), oracle::view(rows), labelled, options); });
  };
  const RowsOfClasses good = rows_of_classes(20, 3);
  RowsOfClasses empty = good, beyond = good;
  empty[1].clear();
  beyond[2].push_back(20);
  EXPECT_EQ(error(empty, {}).substr(0, 34), "input: class 1 has no labelled row");
  EXPECT_EQ(error(beyond, {}).substr(0, 36), "input: class 2 names row 20 of 20 ro");
  EXPECT_EQ(error(good, {.learning_rate = 0}).substr(0, 27), "usage: the learning rate mu");
  EXPECT_EQ(error(good, {.learning_rate = NAN}).substr(0, 27), "usage: the learning rate mu");
  EXPECT_EQ(error(good, {.weight_decay = -1}).substr(0, 24), "usage: the weight decay ");
  EXPECT_EQ(error(good, {.momentum = 1}).substr(0, 18), "usage: the momentu");
  EXPECT_EQ(error(good, {.batch = 0}).substr(0, 18), "usage: a minibatch");
  for (const int threads : {1, 2})
    EXPECT_EQ(oracle::error_of([&] {
                train(context_of(best_isa(), threads), oracle::view(rows), rows_of_classes(20, 18),
                      {.learning_rate = 1e30, .weight_decay = 1});
              }),
              "usage: the regression diverged: in iteration 3 its logits are not finite; learning rate 1e+30; use a "
              "smaller learning rate (--lr), a tenth of it for a start");
}

TEST(InitialModel, IsUniformWithinItsBound) {
  const SoftmaxModel model = initial_model(100, 399, 5);
  const double bound = 1 / std::sqrt(399.0);
  double sum = 0, squares = 0;
  for (std::size_t e = 0; e < model.weights.size(); ++e) {
    const double v = model.weights.data()[e] / bound;
    ASSERT_LE(std::abs(v), 1);
    sum += v, squares += v * v;
  }
  // 40,000 values: the mean's deviation is 0.0029, that of the mean square 0.0015.
  EXPECT_NEAR(sum / 40000, 0, 0.012);
  EXPECT_NEAR(squares / 40000, 1.0 / 3, 0.006);
}

// 99.9 % of the chi-square values of 9 and 19 degrees of freedom are below 27.9 and 43.8; the seed is fixed.
TEST(BalancedDraws, AreUniformOverClassesAndWithinThem) {
  RowsOfClasses labelled(10);
  for (std::uint32_t i = 0; i < 20; ++i) labelled[3].push_back(100 + i);  // 20 times as many rows, no more draws
  for (std::uint32_t c = 0; c < 10; ++c)
    if (c != 3) labelled[c] = {c};
  classifier::BalancedDraws draws(labelled, 1);
  std::vector<classifier::Draw> batch(1000);
  std::vector<double> classes(10), rows(20);
  for (int t = 0; t < 100; ++t) {
    draws.next(batch);
    for (const classifier::Draw& draw : batch) {
      ++classes[draw.label];
      if (draw.label == 3)
        ++rows[draw.row - 100];
      else
        ASSERT_EQ(draw.row, draw.label);
    }
  }
  double chi_classes = 0, chi_rows = 0;
  for (const double n : classes) chi_classes += (n - 10000) * (n - 10000) / 10000;
  for (const double n : rows) chi_rows += (n - classes[3] / 20) * (n - classes[3] / 20) / (classes[3] / 20);
  EXPECT_LT(chi_classes, 27.9);
  EXPECT_LT(chi_rows, 43.8);
}

TEST(LogSoftmax, IsTheOraclesOnEveryThreadCount) {
  for (const std::uint32_t classes : {2u, 33u, 64u})
    for (const std::size_t count : {std::size_t{1}, std::size_t{95}, std::size_t{200}})
      for (const Isa isa : machine_isas()) {
        const oracle::MadeUpRows rows = oracle::make_rows(oracle::Shape::gaussian, count, 45, 3);
        SoftmaxModel model = initial_model(classes, 45, 2);
        for (std::size_t e = 0; e < model.weights.size(); ++e) model.weights.data()[e] *= 50;  // logits up to 200
        Dense x(count, 45);
        for (std::size_t e = 0; e < x.values.size(); ++e) x.values[e] = rows.values[e];
        const Dense expected = oracle::log_softmax(dense(model), x);
        for (const int threads : {1, 3}) {
          Context context = context_of(isa, threads);
          Matrix<float> scores(count, classes);
          log_softmax(context, model, oracle::view(rows), scores);
          for (std::size_t i = 0; i < count; ++i)
            for (std::size_t c = 0; c < classes; ++c)
              ASSERT_NEAR(scores(i, c), expected(i, c), 200 * std::ldexp(1, -22)) << i << ", " << c;
        }
      }
}

}  // namespace
}  // namespace lowshot
