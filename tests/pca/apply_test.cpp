// y = A x + b against float64 sums, and against what Faiss made of the full data set's first rows.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "lowshot/io.h"
#include "lowshot/pca.h"
#include "oracle/full_data.h"
#include "oracle/made_up_rows.h"
#include "oracle/memory_rows.h"
#include "oracle/views.h"

namespace {

using lowshot::apply_map;
using lowshot::Context;
using lowshot::LinearMap;
using lowshot::Matrix;
using lowshot::MatrixView;
using oracle::error_of;
using oracle::MadeUpRows;
using oracle::make_rows;
using oracle::MemoryRows;
using oracle::Shape;
using testing::HasSubstr;

Context with_threads(int threads) {
  Context context;
  context.threads = threads;
  return context;
}

LinearMap made_up_map(std::size_t out, std::size_t in, bool with_b = true) {
  const MadeUpRows values = make_rows(Shape::gaussian, out, in + 1, 99);
  LinearMap map;
  map.a = Matrix<float>(out, in);
  for (std::size_t i = 0; i < out; ++i) {
    std::copy_n(values.row(i), in, map.a.row(i));
    if (with_b) map.b.push_back(values.row(i)[in]);
  }
  return map;
}

Matrix<float> applied(const LinearMap& map, MatrixView<const float> x, int threads = 2) {
  Matrix<float> y(x.rows(), map.out());
  Context context = with_threads(threads);
  apply_map(context, map, x, y);
  return y;
}

TEST(ApplyMap, AgainstFloat64Sums) {
  struct Case {
    std::size_t n, in, out;
  };
  for (const Case& one : {Case{1, 1, 1}, Case{3, 2, 5}, Case{31, 40, 7}, Case{32, 255, 24}, Case{33, 256, 25},
                          Case{255, 257, 64}, Case{256, 513, 33}, Case{257, 64, 256}, Case{700, 100, 96}}) {
    for (const bool with_b : {true, false}) {
      SCOPED_TRACE(testing::Message() << one.n << " x " << one.in << " -> " << one.out << (with_b ? " + b" : ""));
      const MadeUpRows x = make_rows(Shape::gaussian, one.n, one.in, 1);
      const LinearMap map = made_up_map(one.out, one.in, with_b);
      const Matrix<float> y = applied(map, oracle::view(x));
      for (std::size_t i = 0; i < one.n; ++i) {
        for (std::size_t o = 0; o < one.out; ++o) {
          double sum = with_b ? map.b[o] : 0, size = std::abs(sum);
          for (std::size_t j = 0; j < one.in; ++j) {
            sum += double{map.a(o, j)} * x.row(i)[j];
            size += std::abs(double{map.a(o, j)} * x.row(i)[j]);
          }
          // in + 1 roundings of partial sums, each half a unit of 2^-23 at most; in practice they add as a random walk.
          ASSERT_NEAR(y(i, o), sum, 6e-8 * (2 + std::sqrt(static_cast<double>(one.in))) * size) << i << ", " << o;
        }
      }
    }
  }
}

TEST(ApplyMap, ARowDependsNeitherOnItsNeighboursNorOnThreads) {
  const MadeUpRows x = make_rows(Shape::clustered, 600, 300, 2);
  const LinearMap map = made_up_map(77, 300);
  const Matrix<float> all = applied(map, oracle::view(x), 1);
  for (const int threads : {2, 3, 7}) {
    const Matrix<float> y = applied(map, oracle::view(x), threads);
    EXPECT_EQ(std::memcmp(y.data(), all.data(), all.size() * sizeof(float)), 0) << threads << " threads";
  }
  for (const std::size_t begin : {0u, 1u, 5u, 255u, 256u, 333u}) {
    for (const std::size_t count : {1u, 2u, 31u, 32u, 33u, 100u, 257u}) {
      const Matrix<float> y = applied(map, oracle::view(x, begin, begin + count));
      ASSERT_EQ(std::memcmp(y.data(), all.row(begin), y.size() * sizeof(float)), 0) << begin << " + " << count;
    }
  }
}

TEST(ApplyMap, TinyMapsDoNotDependOnNeighboursEither) {
  const MadeUpRows x = make_rows(Shape::gaussian, 70, 2, 2);
  const LinearMap map = made_up_map(2, 2);
  const Matrix<float> all = applied(map, oracle::view(x));
  for (std::size_t i = 0; i < x.n; ++i) {
    const Matrix<float> y = applied(map, oracle::view(x, i, i + 1));
    ASSERT_EQ(std::memcmp(y.data(), all.row(i), y.size() * sizeof(float)), 0) << i;
  }
}

TEST(ApplyMap, StreamedAsInOnePiece) {
  for (const std::size_t n : {0u, 1u, 4095u, 4096u, 4097u, 9000u}) {
    SCOPED_TRACE(n);
    const MadeUpRows x = make_rows(Shape::gaussian, n, 20, 3);
    const LinearMap map = made_up_map(6, 20);
    const Matrix<float> expected = applied(map, oracle::view(x));
    Matrix<float> y(n, 6);
    std::uint64_t next = 0;
    MemoryRows source(x);
    Context context = with_threads(2);
    apply_map(context, map, source, [&](std::uint64_t first_row, MatrixView<const float> rows) {
      ASSERT_EQ(first_row, next);
      ASSERT_LE(first_row + rows.rows(), n);
      std::copy_n(rows.data(), rows.size(), y.row(first_row));
      next += rows.rows();
    });
    EXPECT_EQ(next, n);
    EXPECT_TRUE(std::equal(y.data(), y.data() + y.size(), expected.data()));
  }
}

TEST(ApplyMap, RefusesOtherDimensionsAndBadRows) {
  const LinearMap map = made_up_map(6, 20);
  const auto ignore = [](std::uint64_t, MatrixView<const float>) {};
  Context context = with_threads(2);
  EXPECT_THAT(error_of([&] { applied(map, oracle::view(make_rows(Shape::gaussian, 5, 19, 1))); }),
              HasSubstr("input: the descriptors have 19 dimensions, the PCA was trained for 20"));
  MemoryRows narrow(make_rows(Shape::gaussian, 5, 19, 1));
  EXPECT_THAT(error_of([&] { apply_map(context, map, narrow, ignore); }), HasSubstr("made-up rows"));
  MadeUpRows x = make_rows(Shape::gaussian, 9000, 20, 1);
  x.row(8500)[3] = std::numeric_limits<float>::quiet_NaN();
  MemoryRows source(x);
  EXPECT_THAT(error_of([&] { apply_map(context, map, source, ignore); }), HasSubstr("row 8500"));
}

TEST(ApplyMap, AThrowingSinkEndsTheReading) {
  MemoryRows source(make_rows(Shape::gaussian, 20000, 20, 1));
  Context context = with_threads(2);
  const auto full_disk = [](std::uint64_t, MatrixView<const float>) {
    throw lowshot::Error(lowshot::ErrorKind::resources, "the disk is full");
  };
  EXPECT_EQ(error_of([&] { apply_map(context, made_up_map(6, 20), source, full_disk); }),
            "resources: the disk is full");
  EXPECT_LE(source.rows_read(), 8192u);
}

TEST(ApplyMap, FullDataSetFirstRowsAsFaiss) {
  FULL_DATA_OR_SKIP(data);
  const LinearMap map = lowshot::read_vt(data / "expected/PCAR256.vt");
  const Matrix<float> x = lowshot::read_rows(*lowshot::open_hdf5_rows(data / "features/f100m/block0.hdf5"), 0, 100);
  const Matrix<float> expected =
      lowshot::read_rows(*lowshot::open_npy_rows(data / "expected/background_first_100_pca256.npy"), 0, 100);
  const Matrix<float> y = applied(map, x);
  ASSERT_EQ(expected.cols(), 256u);
  for (std::size_t i = 0; i < 100; ++i) {
    double norm = 0, difference = 0;
    for (std::size_t j = 0; j < 256; ++j) {
      norm = std::max(norm, std::abs(double{expected(i, j)}));
      difference = std::max(difference, std::abs(double{expected(i, j)} - y(i, j)));
    }
    EXPECT_LE(difference, 1e-4 * norm) << "row " << i;
  }
}

}  // namespace
