// PCA training against a float64 oracle (two passes, Jacobi), and on the full data set against Faiss' own training.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "lowshot/io.h"
#include "lowshot/pca.h"
#include "oracle/full_data.h"
#include "oracle/made_up_rows.h"
#include "oracle/memory_rows.h"
#include "oracle/principal_axes.h"
#include "oracle/views.h"
#include "pca/rotation.h"
#include "pca/scatter.h"

namespace {

using lowshot::Context;
using lowshot::LinearMap;
using lowshot::PcaOptions;
using lowshot::train_pca;
using oracle::Axes;
using oracle::Dense;
using oracle::error_of;
using oracle::MadeUpRows;
using oracle::make_rows;
using oracle::MemoryRows;
using oracle::Shape;
using testing::HasSubstr;

Dense dense(const MadeUpRows& x) {
  Dense result(x.n, x.d);
  std::copy(x.values.begin(), x.values.end(), result.values.begin());
  return result;
}

Dense dense(lowshot::MatrixView<const float> x) {
  Dense result(x.rows(), x.cols());
  std::copy_n(x.data(), x.size(), result.values.begin());
  return result;
}

Context with_threads(int threads) {
  Context context;
  context.threads = threads;
  return context;
}

LinearMap train(const MadeUpRows& x, std::uint32_t dim, bool rotation, int threads = 2, std::uint32_t seed = 0) {
  MemoryRows source(x);
  Context context = with_threads(threads);
  return train_pca(context, source, {.dim = dim, .random_rotation = rotation, .seed = seed});
}

// Column j scaled by 0.8^j about a mean of j: well separated eigenvalues, so that the eigenvectors themselves are
// determined.
MadeUpRows separated(std::size_t n, std::size_t d, float mean = 1, std::uint32_t seed = 1) {
  MadeUpRows x = make_rows(Shape::gaussian, n, d, seed);
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t j = 0; j < d; ++j) {
      float& value = x.row(i)[j];
      value = value * std::pow(0.8f, static_cast<float>(j)) + mean * static_cast<float>(j);
    }
    for (std::size_t j = 1; j < d; ++j) x.row(i)[j] += 0.3f * x.row(i)[j - 1];  // mixed, so that the axes are not e_j
  }
  return x;
}

void expect_orthonormal(const LinearMap& map) {
  // float32 rounding of entries below 1: each of D products is off by at most 2^-23 of its size.
  EXPECT_LT(oracle::distance_from_orthonormal_rows(dense(map.a.view())), 5e-7);
}

// A mean + b = 0: the mean maps to the origin. `deviation`: of the rows; a mean near 0 is known to 1e-7 of it.
void expect_centred(const LinearMap& map, const std::vector<double>& mean, double deviation) {
  for (std::size_t i = 0; i < map.out(); ++i) {
    double sum = map.b[i], size = std::abs(map.b[i]);
    for (std::size_t j = 0; j < map.in(); ++j) {
      sum += double{map.a(i, j)} * mean[j];
      size += std::abs(double{map.a(i, j)} * mean[j]);
    }
    EXPECT_NEAR(sum, 0, 1e-6 * size + 1e-7 * deviation) << "row " << i;
  }
}

// Eigenvalues, mean and b, whatever the shape of the data. A float32 product is off by some 1e-7 of the largest
// variance.
Axes expect_like_oracle(const MadeUpRows& x, const LinearMap& map) {
  const Axes axes = oracle::principal_axes(oracle::scatter(dense(x)));
  const std::vector<double> mean = oracle::column_means(dense(x));
  const double deviation = std::sqrt(axes.values[0] / static_cast<double>(x.n));
  EXPECT_EQ(map.eigenvalues.size(), x.d);
  for (std::size_t j = 0; j < x.d; ++j) {
    EXPECT_NEAR(map.eigenvalues[j], axes.values[j], 1e-6 * axes.values[0] + 0x1p-150) << "eigenvalue " << j;
    EXPECT_NEAR(map.mean[j], mean[j], 2e-7 * std::abs(mean[j]) + 1e-7 * deviation) << "column " << j;
    EXPECT_LE(map.eigenvalues[j], map.eigenvalues[j == 0 ? 0 : j - 1]);
    EXPECT_GE(map.eigenvalues[j], 0);
  }
  expect_orthonormal(map);
  expect_centred(map, mean, deviation);
  return axes;
}

void expect_equal_bits(const LinearMap& a, const LinearMap& b) {
  ASSERT_EQ(a.a.size(), b.a.size());
  EXPECT_EQ(std::memcmp(a.a.data(), b.a.data(), a.a.size() * sizeof(float)), 0);
  EXPECT_EQ(a.b, b.b);
  EXPECT_EQ(a.mean, b.mean);
  EXPECT_EQ(a.eigenvalues, b.eigenvalues);
}

TEST(TrainPca, EigenvectorsOfTheOracleInOrderAndSign) {
  // Sizes around the block of rows; dimensions below, at and above the tile of the products.
  struct Case {
    std::size_t n, d;
    std::uint32_t dim;
  };
  const std::size_t block = lowshot::pca_block_rows;
  for (const Case& one : {Case{50, 7, 3}, Case{300, 20, 20}, Case{block - 1, 12, 5}, Case{block, 12, 5},
                          Case{block + 1, 12, 5}, Case{2 * block + 3, 12, 12}}) {
    SCOPED_TRACE(testing::Message() << one.n << " x " << one.d << " -> " << one.dim);
    const MadeUpRows x = separated(one.n, one.d);
    const LinearMap map = train(x, one.dim, false);
    const Axes axes = expect_like_oracle(x, map);
    ASSERT_EQ(map.out(), one.dim);
    ASSERT_EQ(map.in(), one.d);
    for (std::size_t i = 0; i < one.dim; ++i) {
      // Perturbation of an eigenvector: error of the covariance over the distance to the neighbouring eigenvalues.
      double gap = std::numeric_limits<double>::infinity();
      if (i > 0) gap = std::min(gap, axes.values[i - 1] - axes.values[i]);
      if (i + 1 < one.d) gap = std::min(gap, axes.values[i] - axes.values[i + 1]);
      for (std::size_t j = 0; j < one.d; ++j) {
        EXPECT_NEAR(map.a(i, j), axes.rows(i, j), 1e-6 * axes.values[0] / gap + 1e-6) << "row " << i << " column " << j;
      }
    }
  }
}

TEST(TrainPca, ShapesOfDataAndTileEdges) {
  for (const Shape shape : oracle::all_shapes) {
    for (const std::size_t d : {1u, 2u, 97u}) {
      SCOPED_TRACE(testing::Message() << name(shape) << ", dimension " << d);
      const MadeUpRows x = make_rows(shape, 230, d, 5);
      expect_like_oracle(x, train(x, 256, true));
    }
  }
  for (const std::size_t d : {191u, 192u, 193u}) {
    SCOPED_TRACE(d);
    const MadeUpRows x = make_rows(Shape::skewed, 400, d, 6);
    expect_like_oracle(x, train(x, 64, true));
  }
}

TEST(TrainPca, FarFromTheOriginNothingCancels) {
  // Means up to 10,000 times the deviation, in several blocks; the oracle sees the same rounded rows. The column that
  // stands farthest out has a deviation of 0.03 about 190,000 (float32 steps of 0.016).
  const MadeUpRows x = separated(9000, 16, 10000);
  expect_like_oracle(x, train(x, 8, false));
}

TEST(TrainPca, ScaleChangesNoDigit) {
  MadeUpRows x = separated(500, 10);
  const LinearMap plain = train(x, 6, true);
  for (const int exponent : {-80, 50}) {
    MadeUpRows scaled = x;
    for (float& value : scaled.values) value = std::ldexp(value, exponent);
    const LinearMap map = train(scaled, 6, true);
    EXPECT_EQ(std::memcmp(map.a.data(), plain.a.data(), plain.a.size() * sizeof(float)), 0) << exponent;
  }
  for (float& value : x.values) value = std::ldexp(value, 70);
  EXPECT_THAT(error_of([&] { train(x, 6, true); }), HasSubstr("exceeds the range of float32"));
}

TEST(TrainPca, RotationKeepsTheSpaceAndIsSeeded) {
  const MadeUpRows x = separated(400, 30);
  const LinearMap plain = train(x, 12, false), rotated = train(x, 12, true, 2, 3);
  expect_orthonormal(rotated);
  EXPECT_LT(oracle::distance_between_row_spaces(dense(rotated.a.view()), dense(plain.a.view())), 1e-6);
  expect_equal_bits(rotated, train(x, 12, true, 2, 3));
  const LinearMap other = train(x, 12, true, 2, 4);
  EXPECT_NE(std::memcmp(rotated.a.data(), other.a.data(), other.a.size() * sizeof(float)), 0);
  // The energy is spread: unrotated, direction 0 has over 36 % (1 - 0.8^2) of the variance; rotated, none has.
  const Dense covariance = oracle::scatter(dense(x));
  const auto largest_share = [&](const LinearMap& map) {
    double total = 0, largest = 0;
    for (std::size_t i = 0; i < map.out(); ++i) {
      double variance = 0;
      for (std::size_t a = 0; a < x.d; ++a) {
        for (std::size_t b = 0; b < x.d; ++b) variance += map.a(i, a) * covariance(a, b) * map.a(i, b);
      }
      total += variance;
      largest = std::max(largest, variance);
    }
    return largest / total;
  };
  EXPECT_GT(largest_share(plain), 0.36);
  EXPECT_LT(largest_share(rotated), 0.3);
}

TEST(TrainPca, FewerDimensionsThanAskedForOnlyCentresAndRotates) {
  const MadeUpRows x = make_rows(Shape::clustered, 100, 9, 2);
  const LinearMap map = train(x, 256, true);
  ASSERT_EQ(map.out(), 9u);
  expect_like_oracle(x, map);
}

TEST(TrainPca, ConstantColumnsAndDeficientRank) {
  MadeUpRows x = make_rows(Shape::gaussian, 200, 12, 3);
  for (std::size_t i = 0; i < x.n; ++i) {
    x.row(i)[2] = 0;
    x.row(i)[7] = 123.25f;
    x.row(i)[9] = x.row(i)[1];
  }
  const LinearMap map = train(x, 12, false);
  expect_like_oracle(x, map);
  for (std::size_t j = 9; j < 12; ++j) EXPECT_LT(map.eigenvalues[j], 1e-6 * map.eigenvalues[0]);
  for (std::size_t i = 0; i < 9; ++i)
    EXPECT_NEAR(map.a(i, 2), 0, 1e-6) << "no leading direction leaves the rows' space";

  const MadeUpRows few = make_rows(Shape::gaussian, 5, 40, 4);
  const LinearMap wide = train(few, 30, true);
  expect_like_oracle(few, wide);
  EXPECT_GT(wide.eigenvalues[3], 0.1 * wide.eigenvalues[0]);
  EXPECT_LT(wide.eigenvalues[4], 1e-6 * wide.eigenvalues[0]);

  const MadeUpRows same = make_rows(Shape::all_equal, 10, 6, 4);
  expect_like_oracle(same, train(same, 3, true));
}

TEST(TrainPca, TwoRows) {
  MadeUpRows x{2, 3, {1, 2, 3, 3, 2, 5}};
  const LinearMap map = train(x, 1, false);
  EXPECT_NEAR(map.a(0, 0), std::sqrt(0.5), 1e-6);
  EXPECT_NEAR(map.a(0, 1), 0, 1e-6);
  EXPECT_NEAR(map.a(0, 2), std::sqrt(0.5), 1e-6);
  EXPECT_NEAR(map.eigenvalues[0], 4, 1e-5);  // 2 rows, each sqrt(2) from the mean
  EXPECT_NEAR(map.b[0], -(2 + 4) * std::sqrt(0.5), 1e-5);
}

TEST(TrainPca, RefusesWhatCannotBeTrainedOn) {
  EXPECT_THAT(error_of([] {
                train(MadeUpRows{1, 3, {1, 2, 3}}, 2, true);
              }),
              HasSubstr("input: PCA needs at least 2 rows to train on, found 1; made-up rows"));
  EXPECT_THAT(error_of([] { train(MadeUpRows{0, 3, {}}, 2, true); }), HasSubstr("found 0"));
  EXPECT_THAT(error_of([] { train(MadeUpRows{3, 0, {}}, 2, true); }), HasSubstr("0 dimensions"));
  EXPECT_THAT(error_of([] { train(make_rows(Shape::gaussian, 9, 3, 1), 0, true); }), HasSubstr("usage: "));

  MadeUpRows x = make_rows(Shape::gaussian, 9000, 3, 1);
  x.row(5000)[1] = std::numeric_limits<float>::quiet_NaN();  // in the second block
  EXPECT_THAT(error_of([&] { train(x, 2, true); }), testing::AllOf(HasSubstr("NaN"), HasSubstr("row 5000")));
  x.row(5000)[1] = 1;
  x.row(8999)[2] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(error_of([&] { train(x, 2, true); }), testing::AllOf(HasSubstr("infinity"), HasSubstr("row 8999")));
  x = make_rows(Shape::gaussian, 100, 3, 1);
  std::fill_n(x.row(17), 3, 0.0f);
  EXPECT_THAT(error_of([&] { train(x, 2, true); }), HasSubstr("row 17"));
}

TEST(TrainPca, ThreadsChangeNothing) {
  for (const std::size_t d : {10u, 200u}) {
    const MadeUpRows x = make_rows(Shape::clustered, 5000, d, 8);
    const LinearMap one = train(x, 64, true, 1);
    for (const int threads : {2, 3, 7}) expect_equal_bits(one, train(x, 64, true, threads));
  }
}

TEST(TrainPca, OnePassInBlocks) {
  MemoryRows source(make_rows(Shape::gaussian, 10000, 4, 1));
  Context context = with_threads(1);
  std::uint64_t reported = 0;
  context.progress = [&](const lowshot::Progress& progress) { reported = progress.done; };
  train_pca(context, source, {.dim = 2});
  EXPECT_EQ(source.rows_read(), 10000u);
  EXPECT_EQ(source.largest_read(), lowshot::pca_block_rows);
  EXPECT_EQ(reported, 10000u);
}

TEST(Rotation, AsAnIndependentProgramDrawsIt) {
  // A Python program: mt19937_64 by hand (its 10,000th output of the default seed checked), the polar method for normal
  // values, column by column, Gram-Schmidt on the columns.
  const double seed0[3][3] = {{-0.9698838332398849, 0.09344118365374657, 0.2249313122206284},
                              {0.20536953958896323, 0.8102351961922933, 0.548946517486224},
                              {0.1309530535303559, -0.5786083926531163, 0.8050239907744693}};
  const double seed77[3][3] = {{-0.527531412621287, -0.8034513586771891, 0.2760009473490417},
                               {-0.012720262547454344, -0.31737775685206093, -0.9482138758614946},
                               {0.8494402884361639, -0.5037234099139458, 0.15720662418026032}};
  const auto a = lowshot::random_rotation(3, 0), b = lowshot::random_rotation(3, 77);
  for (std::size_t i = 0; i < 3; ++i) {
    for (std::size_t j = 0; j < 3; ++j) {
      EXPECT_NEAR(a(i, j), seed0[i][j], 1e-14);
      EXPECT_NEAR(b(i, j), seed77[i][j], 1e-14);
    }
  }
  EXPECT_EQ(lowshot::random_rotation(1, 0)(0, 0), -1.0);
}

TEST(TrainPca, FullDataSetAgainstFaiss) {
  FULL_DATA_OR_SKIP(data);
  const auto source = lowshot::open_hdf5_rows(data / "features/f100m/block0.hdf5");
  const LinearMap faiss = lowshot::read_vt(data / "expected/PCAR256.vt");
  Context context = with_threads(2);
  const LinearMap map = train_pca(context, *source);
  ASSERT_EQ(map.out(), 256u);
  expect_orthonormal(map);
  // numpy.linalg.eigvalsh of the scatter matrix in float64, in falling order, [[19, 22, 33]]; Faiss' own are up to 2e-6
  // of the largest away from numpy's.
  EXPECT_NEAR(map.eigenvalues[19], 35041.22650497, 1e-7 * faiss.eigenvalues[0]);
  EXPECT_NEAR(map.eigenvalues[22], 31683.31368595, 1e-7 * faiss.eigenvalues[0]);
  EXPECT_NEAR(map.eigenvalues[33], 20976.67605571, 1e-7 * faiss.eigenvalues[0]);
  ASSERT_EQ(faiss.eigenvalues.size(), map.eigenvalues.size());
  for (std::size_t j = 0; j < map.in(); ++j) {
    EXPECT_NEAR(map.eigenvalues[j], faiss.eigenvalues[j], 3e-6 * faiss.eigenvalues[0]) << j;
    EXPECT_NEAR(map.mean[j], faiss.mean[j], 1e-5) << j;  // Faiss sums the mean in float32
  }
  // The subspace: eigenvalues 256 and 257 of this set differ by 7.3e-6 of the first. An error of 1e-7 of the first
  // among these weak directions of Faiss' float32 covariance (its eigenvalues there are 3e-8 off) tilts the space by
  // about 1e-7 / 7.3e-6 = 0.014. Two spaces that differ in one direction are 1 apart; numpy's float64 axes are 0.0105
  // from Faiss'.
  EXPECT_LT(oracle::distance_between_row_spaces(dense(map.a.view()), dense(faiss.a.view())), 0.02);
  // What does not depend on that gap: the variance that the 256 directions hold equals the sum of the eigenvalues.
  double variance = 0, expected = 0;
  for (std::size_t j = 0; j < 256; ++j) expected += map.eigenvalues[j];
  apply_map(context, map, *source, [&](std::uint64_t, lowshot::MatrixView<const float> y) {
    for (std::size_t i = 0; i < y.size(); ++i) variance += double{y.data()[i]} * y.data()[i];
  });
  EXPECT_NEAR(variance / expected, 1, 1e-5);
}

}  // namespace
