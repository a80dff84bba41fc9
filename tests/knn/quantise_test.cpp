#include "knn/quantise.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <vector>

namespace lowshot::knn {
namespace {

struct Made {
  std::vector<float> row, centre;
};

Made make(std::size_t dim, float size, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Made made;
  for (std::size_t j = 0; j < dim; ++j) {
    made.row.push_back(size * normal(random));
    made.centre.push_back(0.3f * size * normal(random));
  }
  return made;
}

// Every number by its definition, one value at a time.
void expect_what_it_says(const Made& m, std::int32_t levels) {
  const std::size_t dim = m.row.size();
  std::vector<std::int8_t> codes(dim + 1, 99);
  const QuantisedRow q = quantise(m.row.data(), m.centre.data(), dim, levels, codes.data());
  EXPECT_EQ(codes[dim], 99);
  float largest = 0;
  for (std::size_t j = 0; j < dim; ++j) largest = std::max(largest, std::fabs(m.row[j] - m.centre[j]));
  EXPECT_EQ(q.scale, largest / static_cast<float>(levels));
  long double residual = 0, square = 0, along = 0, centred = 0, raw = 0;
  std::int32_t sum = 0;
  for (std::size_t j = 0; j < dim; ++j) {
    const float c = m.row[j] - m.centre[j];
    const long double rest = static_cast<long double>(c) - static_cast<long double>(q.scale) * codes[j];
    ASSERT_LE(std::abs(static_cast<int>(codes[j])), levels);
    ASSERT_LE(std::fabs(rest), 0.5001L * q.scale) << j;  // the nearest level, but for the rounding of 1 / scale
    residual += rest * rest;
    square += static_cast<long double>(c) * c;
    along += static_cast<long double>(c) * m.centre[j];
    centred += (static_cast<long double>(m.row[j]) - m.centre[j]) * (static_cast<long double>(m.row[j]) - m.centre[j]);
    raw += static_cast<long double>(m.row[j]) * m.row[j];
    sum += codes[j];
  }
  EXPECT_EQ(q.code_sum, sum);
  const double error = 1e-13 * static_cast<double>(square + raw + centred);  // of sums of 1000 float64
  EXPECT_NEAR(q.residual, static_cast<double>(residual), error);
  EXPECT_NEAR(q.square, static_cast<double>(square), error);
  EXPECT_NEAR(q.along_centre, static_cast<double>(along), error);
  const RowNorms norms = squared_norms(m.row.data(), m.centre.data(), dim);
  // The centred row is rounded to float32, to half a last place of each value.
  EXPECT_NEAR(norms.centred, static_cast<double>(centred), 2.5e-7 * static_cast<double>(centred + raw));
  EXPECT_NEAR(norms.raw, static_cast<double>(raw), error);
}

TEST(Quantise, IsWhatItSays) {
  for (const std::size_t dim : {1, 2, 7, 8, 9, 15, 16, 31, 256, 300, 1000})
    for (const std::int32_t levels : {63, 127})
      for (const float size : {1.0f, 1e-12f, 1e12f}) {
        SCOPED_TRACE(testing::Message() << dim << " values of about " << size << ", " << levels << " levels");
        expect_what_it_says(make(dim, size, static_cast<std::uint32_t>(dim)), levels);
      }
}

TEST(Quantise, OfTheCentreIsZero) {
  const Made m = make(37, 1, 1);
  std::vector<std::int8_t> codes(37, 99);
  const QuantisedRow q = quantise(m.centre.data(), m.centre.data(), 37, 127, codes.data());
  EXPECT_EQ(codes, std::vector<std::int8_t>(37, 0));
  EXPECT_EQ(q.scale, 0);
  EXPECT_EQ(q.residual, 0);
}

TEST(Quantise, OfTheSmallestNumbersIsZeroAndSaysWhatIsLost) {
  const std::vector<float> row(11, std::numeric_limits<float>::denorm_min()), centre(11, 0.0f);
  std::vector<std::int8_t> codes(11, 99);
  const QuantisedRow q = quantise(row.data(), centre.data(), 11, 127, codes.data());
  EXPECT_EQ(codes, std::vector<std::int8_t>(11, 0));
  EXPECT_EQ(q.residual, q.square);
  EXPECT_GT(q.residual, 0);
}

TEST(Quantise, RoundsTiesToEven) {
  std::vector<float> row, centre(20, 0.0f);
  std::vector<std::int8_t> expected;
  for (int j = 0; j < 20; ++j) {  // 127 makes the scale 1
    row.push_back(j == 0 ? 127.0f : static_cast<float>(j) - 9.5f);
    expected.push_back(static_cast<std::int8_t>(j == 0 ? 127 : 2 * std::lround((j - 9.5) / 2)));
  }
  std::vector<std::int8_t> codes(20);
  EXPECT_EQ(quantise(row.data(), centre.data(), 20, 127, codes.data()).scale, 1.0f);
  EXPECT_EQ(codes, expected);
}

}  // namespace
}  // namespace lowshot::knn
