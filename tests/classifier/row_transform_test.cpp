#include "lowshot/row_transform.h"

#include <gtest/gtest.h>

#include <cmath>

#include "oracle/lda.h"
#include "oracle/memory_rows.h"
#include "oracle/principal_axes.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using oracle::Dense;
using oracle::MadeUpRows;
using oracle::make_rows;
using oracle::Shape;

Dense dense(const MadeUpRows& rows) {
  Dense d(rows.n, rows.d);
  for (std::size_t e = 0; e < d.values.size(); ++e) d.values[e] = rows.values[e];
  return d;
}

// As descriptors after a rectifier: half of the values 0.
MadeUpRows rectified(std::size_t n, std::size_t d, std::uint32_t seed) {
  MadeUpRows rows = make_rows(Shape::gaussian, n, d, seed);
  for (float& value : rows.values) value = std::max(value, 0.0f);
  return rows;
}

Context threads(int count) {
  Context context;
  context.threads = count;
  return context;
}

TEST(RowTransform, PowersMinusMeansAreAsTheOracleSays) {
  for (const float exponent : {1.0f, 0.7f, 0.5f})
    for (const std::size_t d : {1, 7, 8, 9, 70}) {
      SCOPED_TRACE(testing::Message() << "exponent " << exponent << ", " << d << " dimensions");
      MadeUpRows rows = rectified(4097, d, 3);
      oracle::MemoryRows source(rows);
      Context context = threads(2);
      const RowTransform transform = centred_power(context, source, exponent);
      EXPECT_EQ(transform.exponent, exponent);
      Dense powers = dense(rows);
      for (double& value : powers.values) value = std::pow(value, exponent);
      const std::vector<double> mean = oracle::column_means(powers);
      for (std::size_t c = 0; c < d; ++c) EXPECT_NEAR(transform.mean[c], mean[c], 2e-6);

      const Dense expected = oracle::transformed(dense(rows), exponent, {transform.mean.begin(), transform.mean.end()});
      Matrix<float> z(rows.n, d);
      std::copy(rows.values.begin(), rows.values.end(), z.data());
      transform_rows(context, transform, z);
      double worst = 0;
      for (std::size_t e = 0; e < z.size(); ++e) worst = std::max(worst, std::abs(z.data()[e] - expected.values[e]));
      EXPECT_LT(worst, d == 1 ? 1e-7 : 1e-4);  // a row near the mean loses digits: 1e-6 / its norm
    }
}

TEST(RowTransform, AnyNegativeValueMeansNoPower) {
  for (const std::size_t negative : {0, 4095, 4096, 8999}) {
    MadeUpRows rows = rectified(9000, 5, 4);
    rows.row(negative)[3] = -0.5f;
    oracle::MemoryRows source(rows);
    Context context = threads(2);
    const RowTransform transform = centred_power(context, source, 0.7f);
    EXPECT_EQ(transform.exponent, 1);
    const std::vector<double> mean = oracle::column_means(dense(rows));
    for (std::size_t c = 0; c < rows.d; ++c) EXPECT_NEAR(transform.mean[c], mean[c], 1e-6);
  }
}

TEST(RowTransform, RowsWithoutLabelAreLeftOut) {
  MadeUpRows rows = rectified(9000, 5, 8), kept{0, 5, {}};
  std::vector<std::int32_t> labels(rows.n);
  for (std::size_t i = 0; i < rows.n; ++i) {
    labels[i] = i % 3 == 0 ? 7 : -1;
    if (i % 3 != 0) {
      rows.row(i)[1] = i % 2 == 0 ? -1.0f : NAN;
    } else {
      ++kept.n;
      kept.values.insert(kept.values.end(), rows.row(i), rows.row(i) + rows.d);
    }
  }
  Context context = threads(2);
  oracle::MemoryRows source(rows), only(kept);
  const RowTransform transform = centred_power(context, source, 0.7f, labels);
  EXPECT_EQ(transform.exponent, 0.7f);
  const std::vector<float> expected = centred_power(context, only, 0.7f).mean;
  for (std::size_t c = 0; c < rows.d; ++c) EXPECT_NEAR(transform.mean[c], expected[c], 1e-7);
}

TEST(RowTransform, NeverNaN) {
  Context context;
  Matrix<float> rows = Matrix<float>::zeroed(3, 4);
  rows(1, 2) = -2;  // counts as 0
  rows(2, 1) = 4;
  transform_rows(context, {.exponent = 0.5f}, rows);
  for (std::size_t e = 0; e < rows.size(); ++e) EXPECT_EQ(rows.data()[e], e == 9 ? 1.0f : 0.0f);

  Matrix<float> mean = Matrix<float>::zeroed(1, 2);
  mean(0, 0) = 3;
  transform_rows(context, {.exponent = 1, .mean = {3, 0}}, mean);
  EXPECT_EQ(mean(0, 0), 0);
  EXPECT_EQ(mean(0, 1), 0);

  oracle::MemoryRows none(MadeUpRows{0, 3, {}});
  EXPECT_EQ(centred_power(context, none, 0.7f).mean, std::vector<float>(3, 0.0f));
}

TEST(RowTransform, TheNumberOfThreadsChangesNoBit) {
  const MadeUpRows rows = rectified(5000, 130, 5);
  std::vector<RowTransform> transforms;
  for (const int count : {1, 2, 5}) {
    Context context = threads(count);
    oracle::MemoryRows source(rows);
    transforms.push_back(centred_power(context, source, 0.7f));
    EXPECT_EQ(transforms.back().mean, transforms.front().mean);
  }
}

TEST(RowTransform, InfinityIsNamed) {
  MadeUpRows rows = rectified(5000, 3, 6);
  rows.row(4500)[1] = INFINITY;
  Context context;
  oracle::MemoryRows source(rows);
  EXPECT_EQ(oracle::error_of([&] { centred_power(context, source, 0.5f); }),
            "input: a descriptor holds infinity; made-up rows, row 4500, column 1; remove or recompute this row");
}

}  // namespace
}  // namespace lowshot
