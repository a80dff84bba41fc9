#include "lowshot/softmax_regression.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "oracle/principal_axes.h"
#include "oracle/softmax_regression.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using oracle::Dense;
using oracle::MadeUpRows;

Context threads(int count) {
  Context context;
  context.threads = count;
  return context;
}

Dense dense(const MadeUpRows& rows) {
  Dense d(rows.n, rows.d);
  for (std::size_t e = 0; e < d.values.size(); ++e) d.values[e] = rows.values[e];
  return d;
}

// Class 0 has one row, the others share the rest unevenly.
std::vector<std::int32_t> uneven_labels(std::size_t n, std::int32_t classes) {
  std::vector<std::int32_t> labels(n);
  for (std::size_t i = 1; i < n; ++i)
    labels[i] = classes == 1 ? 0 : 1 + static_cast<std::int32_t>(i * i % 11) % (classes - 1);
  return labels;
}

TEST(SoftmaxRegression, IsAsTheOracleSays) {
  for (const std::size_t n : {1, 255, 256, 257, 600})
    for (const std::size_t d : {1, 5, 33})
      for (const std::int32_t classes : {1, 2, 7}) {
        SCOPED_TRACE(testing::Message() << n << " rows, " << d << " dimensions, " << classes << " classes");
        const MadeUpRows rows = oracle::make_rows(oracle::Shape::gaussian, n, d, 3);
        const std::vector<std::int32_t> labels = uneven_labels(n, classes);
        Context context = threads(2);
        const SoftmaxRegressionOptions options{.iterations = 12, .penalty = 0.01};
        const double step = 0.2;
        const SoftmaxModel model =
            softmax_regression(context, oracle::view(rows), labels, static_cast<std::uint32_t>(classes), step, options);
        const Dense expected = oracle::balanced_regression(dense(rows), labels, static_cast<std::size_t>(classes), step,
                                                           options.penalty, options.iterations);
        for (std::size_t e = 0; e < expected.values.size(); ++e)
          ASSERT_NEAR(model.weights.data()[e], expected.values[e], 1e-5);
      }
}

TEST(SoftmaxRegression, ReachesTheMinimum) {
  const MadeUpRows rows = oracle::make_rows(oracle::Shape::gaussian, 400, 8, 5);
  const std::vector<std::int32_t> labels = uneven_labels(rows.n, 5);
  Context context = threads(2);
  const double step = softmax_step(context, oracle::view(rows), 0.005);
  const SoftmaxModel model = softmax_regression(context, oracle::view(rows), labels, 5, step);
  Dense weights(5, 9);
  for (std::size_t e = 0; e < weights.values.size(); ++e) weights.values[e] = model.weights.data()[e];
  for (const double value : oracle::balanced_gradient(weights, dense(rows), labels, 0.005).values)
    EXPECT_NEAR(value, 0, 2e-4);
}

TEST(SoftmaxRegression, StepIsThatOfTheLargestEigenvalue) {
  for (const auto shape : {oracle::Shape::gaussian, oracle::Shape::far_from_zero})
    for (const std::size_t n : {1, 50, 5000}) {
      const MadeUpRows rows = oracle::make_rows(shape, n, 6, 7);
      Dense second(7, 7);
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t a = 0; a < 7; ++a)
          for (std::size_t b = 0; b < 7; ++b)
            second(a, b) += (a < 6 ? rows.row(i)[a] : 1.0) * (b < 6 ? rows.row(i)[b] : 1.0) / static_cast<double>(n);
      Context context = threads(2);
      const double expected = 1 / (0.65 * oracle::principal_axes(second).values[0] + 0.02);
      EXPECT_NEAR(softmax_step(context, oracle::view(rows), 0.01), expected, 1e-5 * expected);
    }
}

TEST(SoftmaxRegression, AClassWithoutRowsChangesNothingOfTheOthers) {
  const MadeUpRows rows = oracle::make_rows(oracle::Shape::gaussian, 90, 4, 8);
  const std::vector<std::int32_t> labels = uneven_labels(rows.n, 3);
  Context context;
  const SoftmaxModel model = softmax_regression(context, oracle::view(rows), labels, 4, 0.3, {.iterations = 50});
  for (std::size_t e = 0; e < model.weights.size(); ++e) EXPECT_TRUE(std::isfinite(model.weights.data()[e]));
  EXPECT_LT(model.weights(3, 4), -1);  // its bias
}

TEST(SoftmaxRegression, TheNumberOfThreadsChangesNoBit) {
  const MadeUpRows rows = oracle::make_rows(oracle::Shape::gaussian, 9000, 20, 9);
  const std::vector<std::int32_t> labels = uneven_labels(rows.n, 5);
  Context one = threads(1);
  const double step = softmax_step(one, oracle::view(rows), 0.005);
  const SoftmaxModel first = softmax_regression(one, oracle::view(rows), labels, 5, step, {.iterations = 10});
  for (const int count : {2, 5}) {
    Context context = threads(count);
    EXPECT_EQ(softmax_step(context, oracle::view(rows), 0.005), step);
    const SoftmaxModel other = softmax_regression(context, oracle::view(rows), labels, 5, step, {.iterations = 10});
    EXPECT_EQ(std::memcmp(other.weights.data(), first.weights.data(), first.weights.size() * sizeof(float)), 0);
  }
}

TEST(SoftmaxRegression, RefusesWhatItCannotUse) {
  const MadeUpRows rows = oracle::make_rows(oracle::Shape::gaussian, 4, 2, 1);
  Context context;
  const auto refusal = [&](std::vector<std::int32_t> labels, double step) {
    return oracle::error_of([&] { softmax_regression(context, oracle::view(rows), labels, 3, step); });
  };
  EXPECT_EQ(refusal({0, 1, 2}, 1), "usage: a regression of 4 rows with 3 labels");
  EXPECT_EQ(refusal({0, 1, 3, 1}, 1), "input: label 3 of row 2 is not one of 3 classes");
  EXPECT_EQ(refusal({0, 1, -1, 1}, 1), "input: label -1 of row 2 is not one of 3 classes");
  EXPECT_EQ(refusal({0, 1, 2, 1}, 0), "usage: a step of 0 is not above 0");
  EXPECT_EQ(refusal({0, 1, 2, 1}, 1e300),
            "usage: the weights of the regression overflowed in iteration 2; use a smaller step");
  EXPECT_EQ(oracle::error_of([&] { softmax_step(context, MatrixView<const float>(), 0.005); }),
            "input: a regression needs rows and there are none");
}

}  // namespace
}  // namespace lowshot
