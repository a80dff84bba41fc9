#include "knn/similarity.h"

#include <gtest/gtest.h>

#include "core/half.h"
#include "oracle/neighbours.h"
#include "oracle/views.h"

namespace lowshot::knn {
namespace {

constexpr std::size_t dims[] = {1, 2, 3, 7, 8, 31, 32, 33, 63, 64, 65, 256, 300};

TEST(Similarity, IsTheFloat64OneWithinItsRounding) {
  for (const oracle::Shape shape : oracle::all_shapes)
    for (const std::size_t d : dims) {
      const oracle::MadeUpRows rows = oracle::make_rows(shape, 12, d, 1);
      const DescriptorView x(oracle::view(rows));
      for (std::size_t i = 0; i < rows.n; ++i)
        for (std::size_t j = 0; j < rows.n; ++j) {
          SCOPED_TRACE(std::string(oracle::name(shape)) + ", d = " + std::to_string(d));
          using oracle::Similarity;
          ASSERT_NEAR(similarity(x, i, x, j, Metric::inner_product),
                      oracle::similarity(Similarity::inner_product, rows.row(i), rows.row(j), d),
                      oracle::similarity_error(Similarity::inner_product, rows.row(i), rows.row(j), d));
          ASSERT_NEAR(similarity(x, i, x, j, Metric::l2),
                      oracle::similarity(Similarity::minus_squared_distance, rows.row(i), rows.row(j), d),
                      oracle::similarity_error(Similarity::minus_squared_distance, rows.row(i), rows.row(j), d));
        }
    }
}

TEST(Similarity, DoesNotDependOnTheOrderOfTheRows) {
  const oracle::MadeUpRows rows = oracle::make_rows(oracle::Shape::skewed, 40, 300, 2);
  const DescriptorView x(oracle::view(rows));
  for (std::size_t i = 0; i < rows.n; ++i)
    for (std::size_t j = 0; j < rows.n; ++j)
      for (const Metric metric : {Metric::inner_product, Metric::l2})
        ASSERT_EQ(similarity(x, i, x, j, metric), similarity(x, j, x, i, metric));
}

TEST(Similarity, OfARowToItselfByDistanceIsZero) {
  const oracle::MadeUpRows rows = oracle::make_rows(oracle::Shape::far_from_zero, 5, 33, 3);
  const DescriptorView x(oracle::view(rows));
  for (std::size_t i = 0; i < rows.n; ++i) EXPECT_EQ(similarity(x, i, x, i, Metric::l2), 0);
}

TEST(Similarities, AreThoseOfThePairs) {
  for (const std::size_t d : {1, 33, 256, 2000}) {
    const oracle::MadeUpRows rows = oracle::make_rows(oracle::Shape::gaussian, 60, d, 4);
    Matrix<Half> half(rows.n, d);
    convert(rows.values.data(), half.data(), half.size());
    std::vector<float> factors;
    for (std::size_t i = 0; i < rows.n; ++i) factors.push_back(1 + 0.01f * static_cast<float>(i));
    std::vector<NodeId> ids;
    for (NodeId c = 0; c < 50; ++c) ids.push_back((c * 7 + 3) % 60);
    for (const DescriptorView& x : {DescriptorView(oracle::view(rows)), DescriptorView(half, factors)})
      for (const Metric metric : {Metric::inner_product, Metric::l2})
        for (const std::size_t count : {0, 1, 2, 5, 50}) {
          std::vector<float> found(count + 1, -7);
          similarities(x, 9, x, ids.data(), count, metric, found.data());
          for (std::size_t c = 0; c < count; ++c) ASSERT_EQ(found[c], similarity(x, 9, x, ids[c], metric)) << d;
          ASSERT_EQ(found[count], -7);
        }
  }
}

}  // namespace
}  // namespace lowshot::knn
