#include "lowshot/three_part.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "oracle/lda.h"
#include "oracle/memory_rows.h"
#include "oracle/softmax_regression.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using oracle::Dense;
using oracle::MadeUpRows;

// Rows of 0 and above about centres of their classes: class i % classes.
MadeUpRows rows_of(std::size_t n, std::size_t d, std::size_t classes, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> gaussian;
  std::mt19937 of_centres(1);
  std::vector<float> centres(classes * d);
  for (float& value : centres) value = 1 + gaussian(of_centres);
  MadeUpRows rows{n, d, {}};
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < d; ++j)
      rows.values.push_back(std::max(0.0f, centres[i % classes * d + j] + 0.6f * gaussian(random)));
  return rows;
}

Dense transformed(const MadeUpRows& rows, const RowTransform& t) {
  Dense d(rows.n, rows.d);
  for (std::size_t e = 0; e < d.values.size(); ++e) d.values[e] = rows.values[e];
  return oracle::transformed(d, t.exponent, {t.mean.begin(), t.mean.end()});
}

Dense mapped(const LinearMap& map, const Dense& z) {
  Dense u(z.rows, map.out());
  for (std::size_t i = 0; i < z.rows; ++i)
    for (std::size_t o = 0; o < map.out(); ++o) {
      u(i, o) = map.b[o];
      for (std::size_t d = 0; d < z.cols; ++d) u(i, o) += map.a(o, d) * z(i, d);
    }
  return u;
}

TEST(ThreePart, IsTheMeanOfTheThree) {
  constexpr std::size_t classes = 6, base_classes = 4, dim = 5;
  const MadeUpRows all = rows_of(120, dim, classes, 2), tests = rows_of(30, dim, classes, 3);
  MadeUpRows base{0, dim, {}}, novel{0, dim, {}};
  std::vector<std::int32_t> labels(all.n, -1), base_labels, novel_labels;
  for (std::size_t i = 0; i < all.n; ++i) {
    const bool is_base = i % classes < base_classes;
    if (!is_base && i >= 2 * classes) continue;  // two labels a novel class, the rest is not used
    MadeUpRows& own = is_base ? base : novel;
    ++own.n;
    own.values.insert(own.values.end(), all.row(i), all.row(i) + dim);
    (is_base ? base_labels : novel_labels).push_back(static_cast<std::int32_t>(i % classes));
    if (is_base) labels[i] = static_cast<std::int32_t>(i % classes);
  }
  for (const float exponent : {0.5f, 1.0f}) {
    SCOPED_TRACE(exponent);
    Context context;
    oracle::MemoryRows source(all);
    const RowTransform centred{.exponent = exponent, .mean = std::vector<float>(dim, 0.2f)};
    const ThreePartFit fit = fit_three_part(context, source, labels, classes, centred);
    const ThreePartModel model = three_part_model(context, fit, DescriptorView(oracle::view(novel)), novel_labels);
    Matrix<float> scores(tests.n, classes);
    three_part_scores(context, fit, model, DescriptorView(oracle::view(tests)), scores);

    const auto lda = [&](const RowTransform& t, double shrinkage, double label_weight) {
      return oracle::lda(transformed(base, t), base_labels, transformed(novel, t), novel_labels, transformed(tests, t),
                         classes, shrinkage, label_weight)
          .scores;
    };
    const Dense plain = lda({}, 0.9, 1), root = lda(centred, exponent == 1 ? 0.5 : 0.7, 2);
    Dense rows = transformed(base, {});
    const Dense more = transformed(novel, {});
    rows.rows += more.rows;
    rows.values.insert(rows.values.end(), more.values.begin(), more.values.end());
    std::vector<std::int32_t> of_rows(base_labels);
    of_rows.insert(of_rows.end(), novel_labels.begin(), novel_labels.end());
    const Dense weights =
        oracle::balanced_regression(mapped(fit.whitening, rows), of_rows, classes, fit.step, 0.005, 300);
    const Dense regression = oracle::log_softmax(weights, mapped(fit.whitening, transformed(tests, {})));
    for (std::size_t i = 0; i < tests.n; ++i)
      for (std::size_t c = 0; c < classes; ++c)
        ASSERT_NEAR(scores(i, c), (plain(i, c) + root(i, c) + regression(i, c)) / 3, 2e-4);
  }
}

}  // namespace
}  // namespace lowshot
