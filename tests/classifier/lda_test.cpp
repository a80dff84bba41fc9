#include "lowshot/lda.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

#include "oracle/lda.h"
#include "oracle/memory_rows.h"
#include "oracle/principal_axes.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using oracle::Dense;
using oracle::MadeUpRows;

// Rows about class centres; base rows first, then the labelled rows of the novel classes, then rows to be scored.
struct Problem {
  std::size_t classes = 0;
  MadeUpRows base, novel, tests;
  std::vector<std::int32_t> base_labels, novel_labels;
};

struct Sizes {
  std::size_t base_classes = 4, novel_classes = 3, base_rows = 30, labels = 2, dim = 6;
  double noise = 0.5;
};

Problem make_problem(const Sizes& sizes, std::uint32_t seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> gaussian;
  Problem p;
  p.classes = sizes.base_classes + sizes.novel_classes;
  Dense centres(p.classes, sizes.dim);
  for (double& value : centres.values) value = gaussian(random);
  const auto add = [&](MadeUpRows& rows, std::size_t c) {
    rows.d = sizes.dim;
    ++rows.n;
    for (std::size_t d = 0; d < sizes.dim; ++d)  // dimensions scatter differently
      rows.values.push_back(
          static_cast<float>(centres(c, d) + sizes.noise * (1 + 0.3 * static_cast<double>(d)) * gaussian(random)));
  };
  p.base.d = p.novel.d = sizes.dim;
  for (std::size_t c = 0; c < sizes.base_classes; ++c)  // class c has c rows more
    for (std::size_t i = 0; i < sizes.base_rows + c; ++i) {
      add(p.base, c);
      p.base_labels.push_back(static_cast<std::int32_t>(c));
    }
  for (std::size_t c = sizes.base_classes; c < p.classes; ++c)
    for (std::size_t i = 0; i < sizes.labels; ++i) {
      add(p.novel, c);
      p.novel_labels.push_back(static_cast<std::int32_t>(c));
    }
  for (std::size_t c = 0; c < p.classes; ++c)
    for (int i = 0; i < 5; ++i) add(p.tests, c);
  return p;
}

struct Answer {
  double between = 0, temperature = 0;
  Matrix<float> scores;
};

Answer answer(const Problem& p, const LdaOptions& options, int threads = 2) {
  Context context;
  context.threads = threads;
  oracle::MemoryRows base(p.base);
  const LdaFit fit = fit_lda(context, base, p.base_labels, static_cast<std::uint32_t>(p.classes), options);
  const SoftmaxModel model = lda_model(context, fit, oracle::view(p.novel), p.novel_labels);
  Answer a{fit.between, fit.temperature, Matrix<float>(p.tests.n, p.classes)};
  lda_log_softmax(context, fit.transform, model, oracle::view(p.tests), a.scores);
  return a;
}

Dense transformed(const MadeUpRows& rows, const RowTransform& t) {
  Dense d(rows.n, rows.d);
  for (std::size_t e = 0; e < d.values.size(); ++e) d.values[e] = rows.values[e];
  return oracle::transformed(d, t.exponent, {t.mean.begin(), t.mean.end()});
}

void expect_as_the_oracle(const Problem& p, const LdaOptions& options) {
  const Answer a = answer(p, options);
  const oracle::Lda expected = oracle::lda(
      transformed(p.base, options.transform), p.base_labels, transformed(p.novel, options.transform), p.novel_labels,
      transformed(p.tests, options.transform), p.classes, options.shrinkage, options.label_weight);
  EXPECT_NEAR(a.between, expected.between, 1e-5 * expected.between);
  EXPECT_NEAR(a.temperature, expected.temperature, 1e-12);
  for (std::size_t i = 0; i < a.scores.rows(); ++i)
    for (std::size_t c = 0; c < p.classes; ++c) {
      // float32 rows, weights, products and sums: some units in the last place (6e-8) of the largest score.
      const double tolerance = 2e-6 * (1 + expected.magnitude);
      ASSERT_NEAR(a.scores(i, c), expected.scores(i, c), tolerance) << "row " << i << ", class " << c;
    }
}

RowTransform centred(const Problem& p) {
  return {.exponent = 1, .mean = std::vector<float>(p.base.d, 0.1f)};
}

TEST(Lda, IsAsTheOracleSays) {
  for (const std::size_t base_classes : {2, 3, 5, 12})
    for (const std::size_t dim : {1, 2, 9})
      for (const std::size_t labels : {1, 3}) {
        SCOPED_TRACE(testing::Message() << base_classes << " base classes, " << dim << " dimensions, " << labels
                                        << " labels");
        const Problem p = make_problem({.base_classes = base_classes, .labels = labels, .dim = dim});
        expect_as_the_oracle(p, {.transform = centred(p), .shrinkage = 0.5, .label_weight = 2});
        expect_as_the_oracle(p, {.shrinkage = 0.1, .label_weight = 1});
        expect_as_the_oracle(p, {.transform = {.exponent = 0.7f}, .shrinkage = 1, .label_weight = 1});
      }
}

TEST(Lda, FewerRowsThanDimensions) {
  const Problem p = make_problem({.base_classes = 3, .base_rows = 4, .dim = 40});
  expect_as_the_oracle(p, {.transform = centred(p), .shrinkage = 0.5});
  expect_as_the_oracle(p, {.shrinkage = 0.1});
}

TEST(Lda, NoBaseClassAndOne) {
  for (const std::size_t base_classes : {0, 1}) {
    SCOPED_TRACE(base_classes);
    const Problem p = make_problem({.base_classes = base_classes});
    expect_as_the_oracle(p, {.transform = centred(p)});
    const Answer a = answer(p, {.transform = centred(p)});
    EXPECT_EQ(a.between, 1);
    EXPECT_EQ(a.temperature, 1);
  }
}

TEST(Lda, NoNovelClass) {
  const Problem p = make_problem({.novel_classes = 0});
  expect_as_the_oracle(p, {.transform = centred(p)});
}

TEST(Lda, ClassesOfOneRow) {
  Problem p = make_problem({.base_classes = 5, .base_rows = 1});
  for (std::size_t i = 0; i < p.base_labels.size(); ++i)  // a row of each class; the others are not used
    if (i != 0 && p.base_labels[i] <= *std::max_element(p.base_labels.begin(), p.base_labels.begin() + i))
      p.base_labels[i] = -1;
  for (const double shrinkage : {0.1, 0.5, 1.0}) {
    const Answer a = answer(p, {.transform = centred(p), .shrinkage = shrinkage});
    for (std::size_t e = 0; e < a.scores.size(); ++e) ASSERT_TRUE(std::isfinite(a.scores.data()[e]));
    EXPECT_TRUE(std::isfinite(a.between));
    // S_w = 0: S is a multiple of I, the nearest mean of the base classes wins.
    for (std::size_t i = 0; i < p.base.n; ++i)
      if (p.base_labels[i] >= 0) {
        Problem own = make_problem({.base_classes = 5, .base_rows = 1});
        own.base_labels = p.base_labels;
        own.tests = MadeUpRows{1, p.base.d, {p.base.row(i), p.base.row(i) + p.base.d}};
        const Answer at_base = answer(own, {.transform = centred(p), .shrinkage = shrinkage});
        EXPECT_EQ(std::max_element(at_base.scores.data(), at_base.scores.data() + p.classes) - at_base.scores.data(),
                  p.base_labels[i]);
      }
  }
}

TEST(Lda, AllRowsEqual) {
  Problem p = make_problem({.base_classes = 3});
  for (MadeUpRows* rows : {&p.base, &p.novel})
    for (std::size_t i = 0; i < rows->n; ++i) std::copy_n(p.tests.row(0), rows->d, rows->row(i));
  const Answer a = answer(p, {.transform = centred(p)});
  EXPECT_EQ(a.between, 0);
  for (std::size_t e = 0; e < a.scores.size(); ++e)
    ASSERT_NEAR(a.scores.data()[e], -std::log(static_cast<double>(p.classes)), 1e-5);
}

TEST(Lda, UnusedRowsAndClassesWithoutLabelsChangeNothing) {
  const Problem p = make_problem({.base_classes = 4});
  const LdaOptions options{.transform = centred(p)};
  Problem with = p;  // rows of -1 between the others
  with.base = MadeUpRows{0, p.base.d, {}};
  with.base_labels.clear();
  for (std::size_t i = 0; i < p.base.n; ++i)
    for (int copy = 0; copy < 2; ++copy) {
      ++with.base.n;
      for (std::size_t d = 0; d < p.base.d; ++d)
        with.base.values.push_back(copy == 0 ? p.base.row(i)[d] : 100.0f * static_cast<float>(d));
      with.base_labels.push_back(copy == 0 ? p.base_labels[i] : -1);
    }
  const Answer a = answer(p, options), b = answer(with, options);
  EXPECT_EQ(std::memcmp(a.scores.data(), b.scores.data(), a.scores.size() * sizeof(float)), 0);

  Problem silent = p;  // one class more, of which nothing is known: it stands at mu, the others keep their order
  ++silent.classes;
  const Answer c = answer(silent, options);
  for (std::size_t i = 0; i < p.tests.n; ++i) {
    const double shift = c.scores(i, 0) - a.scores(i, 0);
    for (std::size_t k = 0; k < p.classes; ++k) EXPECT_NEAR(c.scores(i, k) - a.scores(i, k), shift, 1e-4);
    EXPECT_TRUE(std::isfinite(c.scores(i, p.classes)));
  }
}

TEST(Lda, MoreLabelsMoveTheNovelMeanFurther) {
  const Problem p = make_problem({.labels = 1, .noise = 3});
  Context context;
  oracle::MemoryRows base(p.base);
  double last = 0;
  for (const double weight : {0.01, 0.1, 1.0, 10.0}) {
    const LdaFit fit = fit_lda(context, base, p.base_labels, static_cast<std::uint32_t>(p.classes),
                               {.transform = centred(p), .label_weight = weight});
    const SoftmaxModel model = lda_model(context, fit, oracle::view(p.novel), p.novel_labels);
    double norm = 0;
    for (std::size_t d = 0; d < p.base.d; ++d) norm += std::pow(model.weights(p.classes - 1, d), 2);
    EXPECT_GT(norm, last);
    last = norm;
  }
}

TEST(Lda, TheNumberOfThreadsChangesNoBit) {
  const Problem p = make_problem({.base_classes = 7, .novel_classes = 5, .base_rows = 1200, .dim = 70});
  const LdaOptions options{.transform = centred(p)};
  const Answer one = answer(p, options, 1);
  for (const int threads : {2, 5}) {
    const Answer a = answer(p, options, threads);
    EXPECT_EQ(a.between, one.between);
    EXPECT_EQ(a.temperature, one.temperature);
    EXPECT_EQ(std::memcmp(a.scores.data(), one.scores.data(), a.scores.size() * sizeof(float)), 0);
  }
}

// Whitened rows: the covariance within the base classes is R^-1 S_w R^-1', and a classifier of u is one of z.
TEST(Lda, WhiteningAndSpreadingAreThoseOfTheCovariance) {
  const Problem p = make_problem({.base_classes = 4, .base_rows = 50, .dim = 5});
  Context context;
  oracle::MemoryRows base(p.base);
  const LdaFit fit = fit_lda(context, base, p.base_labels, static_cast<std::uint32_t>(p.classes), {.shrinkage = 0.9});
  const Dense z = transformed(p.base, {});
  // S_w as the formula stands
  Dense within(5, 5);
  for (std::int32_t c = 0; c < 4; ++c) {
    Dense own(0, 5);
    for (std::size_t i = 0; i < z.rows; ++i)
      if (p.base_labels[i] == c) {
        ++own.rows;
        for (std::size_t d = 0; d < 5; ++d) own.values.push_back(z(i, d));
      }
    const Dense scatter = oracle::scatter(own);
    for (std::size_t e = 0; e < 25; ++e) within.values[e] += scatter.values[e] / static_cast<double>(z.rows);
  }
  double trace = 0;
  for (std::size_t d = 0; d < 5; ++d) trace += within(d, d);
  const auto product = [](const auto& a, const auto& b) {
    Dense result(5, 5);
    for (std::size_t i = 0; i < 5; ++i)
      for (std::size_t j = 0; j < 5; ++j)
        for (std::size_t k = 0; k < 5; ++k) result(i, j) += double{a(i, k)} * double{b(k, j)};
    return result;
  };
  const auto shrunk = [&](double lam, std::size_t i, std::size_t j) {
    return (1 - lam) * within(i, j) + (i == j ? lam * trace / 5 : 0);
  };
  // M^4 S = I for M = S(.1)^(-1/4); N M = I for N = S(.1)^(1/4)
  const LinearMap spread = spreading(fit, 0.1, 0.25), gather = spreading(fit, 0.1, -0.25);
  Dense s(5, 5);
  for (std::size_t i = 0; i < 5; ++i)
    for (std::size_t j = 0; j < 5; ++j) s(i, j) = shrunk(0.1, i, j);
  const Dense second = product(spread.a, spread.a), identity = product(product(second, second), s);
  const Dense back = product(gather.a, spread.a);
  // u: R^-1 S R^-1' = I, centred on mu
  const LinearMap white = whitening(fit);
  for (std::size_t i = 0; i < 5; ++i) {
    double of_centre = white.b[i];
    for (std::size_t j = 0; j < 5; ++j) {
      EXPECT_NEAR(identity(i, j), i == j ? 1 : 0, 1e-4);
      EXPECT_NEAR(back(i, j), i == j ? 1 : 0, 1e-5);
      of_centre += double{white.a(i, j)} * fit.centre[j];
      double value = 0;
      for (std::size_t k = 0; k < 5; ++k)
        for (std::size_t l = 0; l < 5; ++l) value += double{white.a(i, k)} * shrunk(0.9, k, l) * double{white.a(j, l)};
      EXPECT_NEAR(value, i == j ? 1 : 0, 1e-5);
    }
    EXPECT_NEAR(of_centre, 0, 1e-5);
  }
}

TEST(Lda, AModelBehindAMapIsAModel) {
  LinearMap map;
  map.a = Matrix<float>(2, 3);
  for (std::size_t e = 0; e < 6; ++e) map.a.data()[e] = static_cast<float>(e) - 2.5f;
  map.b = {0.5f, -1};
  SoftmaxModel model{Matrix<float>(2, 3)};
  for (std::size_t e = 0; e < 6; ++e) model.weights.data()[e] = 1.0f + static_cast<float>(e * e);
  const SoftmaxModel joined = behind(map, model);
  ASSERT_EQ(joined.dim(), 3u);
  const float x[] = {0.25f, -3, 2};
  for (std::size_t c = 0; c < 2; ++c) {
    double expected = model.weights(c, 2), found = joined.weights(c, 3);
    for (std::size_t i = 0; i < 2; ++i) {
      double y = map.b[i];
      for (std::size_t d = 0; d < 3; ++d) y += map.a(i, d) * x[d];
      expected += model.weights(c, i) * y;
    }
    for (std::size_t d = 0; d < 3; ++d) found += joined.weights(c, d) * x[d];
    EXPECT_NEAR(found, expected, 1e-4);
  }
}

TEST(Lda, RefusesWhatItCannotUse) {
  Problem p = make_problem({});
  EXPECT_EQ(oracle::error_of([&] { answer(p, {.shrinkage = 0}); }),
            "usage: a shrinkage of 0 is not above 0 and at most 1");
  EXPECT_EQ(oracle::error_of([&] { answer(p, {.label_weight = NAN}); }), "usage: a label weight of nan is not above 0");
  Problem beyond = p;
  beyond.base_labels[5] = 7;
  EXPECT_EQ(oracle::error_of([&] { answer(beyond, {}); }),
            "input: label 7 is not one of 7 classes; made-up rows, row 5");
  Problem twice = p;
  twice.novel_labels[1] = 0;
  EXPECT_EQ(oracle::error_of([&] { answer(twice, {}); }),
            "input: label 0 is of a class that was fitted as a base class; labelled row 1");
  p.base.row(3)[2] = NAN;
  EXPECT_EQ(oracle::error_of([&] { answer(p, {}); }),
            "input: a descriptor holds NaN; made-up rows, row 3, column 2; remove or recompute this row");
}

}  // namespace
}  // namespace lowshot
