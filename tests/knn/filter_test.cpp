#include "knn/filter.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>

#include "knn/similarity.h"
#include "oracle/neighbours.h"
#include "oracle/views.h"

namespace lowshot::knn {
namespace {

constexpr float infinity = std::numeric_limits<float>::infinity();

std::string where(oracle::Shape shape, std::size_t d, Isa isa, Metric metric) {
  return std::string(oracle::name(shape)) + ", d = " + std::to_string(d) + ", " + std::string(name(isa)) +
         (metric == Metric::l2 ? ", l2" : ", inner product");
}

// What a kernel must survive: any codes, the largest products, and sums of eight products just above and below the
// largest that the AVX2 kernel may add in 16 bits.
enum class Codes { any, extreme, border };
constexpr const char* code_names[] = {" any", " extreme", " border"};

// Code of dimension c of row i: in every 16 dimensions those whose products share a lane come to 258 .. 262, or to
// minus that in every other row.
std::int8_t border_code(std::uint32_t i, std::uint32_t c) {
  const std::uint32_t before = c % 16 / 4 * 2 + c % 2;  // of the same lane
  const int left = static_cast<int>(258 + i % 5) - static_cast<int>(63 * before);
  return static_cast<std::int8_t>(std::clamp(left, 0, 63) * (i % 2 == 0 ? 1 : -1));
}

// Codes, scales, bounds and thresholds of a tile, in plain arrays as well as packed the way the kernels read them.
struct MadeUpTile {
  std::uint32_t rows, cols, dim;
  std::vector<std::int8_t> row_codes, col_codes;  // without the offset
  std::vector<std::int32_t> row_start;
  std::vector<float> row_scale, row_bound, row_threshold, col_scale, col_bound, col_threshold;
  std::vector<std::uint8_t> panels;

  MadeUpTile(std::uint32_t row_count, std::uint32_t col_count, std::uint32_t code_bytes, const FilterBackend& backend,
             Codes codes, std::uint32_t seed)
      : rows(row_count), cols(col_count), dim(code_bytes) {
    std::mt19937 random(seed);
    const auto code = [&] {
      if (codes != Codes::any) return static_cast<std::int8_t>(random() % 4 == 0 ? -backend.levels : backend.levels);
      return static_cast<std::int8_t>(static_cast<int>(random() % (2 * backend.levels + 1)) - backend.levels);
    };
    for (std::uint32_t e = 0; e < rows * dim; ++e)
      row_codes.push_back(codes == Codes::border ? border_code(e / dim, e % dim) : code());
    for (std::uint32_t e = 0; e < cols * dim; ++e) col_codes.push_back(code());
    const std::uint32_t padded = (cols + 15) / 16 * 16;
    std::uniform_real_distribution<float> uniform(0.5f, 1.5f);
    const float spread = std::sqrt(static_cast<float>(dim));  // about the standard deviation of a product
    for (std::uint32_t i = 0; i < rows; ++i) {
      std::int32_t sum = 0;
      for (std::uint32_t j = 0; j < dim; ++j) sum += row_codes[i * dim + j];
      row_start.push_back(-backend.offset * sum);
      row_scale.push_back(uniform(random) / static_cast<float>(backend.levels));
      row_bound.push_back(uniform(random));
      row_threshold.push_back(spread * (uniform(random) - 0.5f) + 2);
    }
    for (std::uint32_t j = 0; j < padded; ++j) {
      col_scale.push_back(j < cols ? uniform(random) / static_cast<float>(backend.levels) : 0);
      col_bound.push_back(j < cols ? uniform(random) : 0);
      col_threshold.push_back(j < cols ? spread * (uniform(random) - 0.5f) + 2 : infinity);
    }
    // Some thresholds are exactly reached.
    for (std::uint32_t j = 0; j < cols; j += 3) col_threshold[j] = upper(0, j);
    // Panel p: for each group of 4 dimensions, 16 columns of 4 codes.
    panels.assign(std::size_t{padded} * dim, static_cast<std::uint8_t>(backend.offset));
    for (std::uint32_t j = 0; j < cols; ++j)
      for (std::uint32_t c = 0; c < dim; ++c)
        panels[std::size_t{j / 16} * 16 * dim + c / 4 * 64 + j % 16 * 4 + c % 4] =
            static_cast<std::uint8_t>(col_codes[j * dim + c] + backend.offset);
  }

  FilterTile tile() const {
    return {row_codes.data(),
            row_start.data(),
            row_scale.data(),
            row_bound.data(),
            row_threshold.data(),
            rows,
            panels.data(),
            col_scale.data(),
            col_bound.data(),
            col_threshold.data(),
            cols,
            dim};
  }

  float upper(std::uint32_t i, std::uint32_t j) const {
    std::int32_t dot = 0;
    for (std::uint32_t c = 0; c < dim; ++c) dot += row_codes[i * dim + c] * col_codes[j * dim + c];
    return std::fma(static_cast<float>(dot), col_scale[j] * row_scale[i], col_bound[j] + row_bound[i]);
  }

  std::map<std::uint32_t, float> expected() const {
    std::map<std::uint32_t, float> pairs;
    for (std::uint32_t i = 0; i < rows; ++i)
      for (std::uint32_t j = 0; j < cols; ++j) {
        if (upper(i, j) >= std::min(row_threshold[i], col_threshold[j])) pairs.emplace(i << 16 | j, upper(i, j));
      }
    return pairs;
  }
};

// The pairs a kernel returns with their scores, without the padding; fails where it returns one twice.
std::map<std::uint32_t, float> hits_of(const FilterBackend& backend, const FilterTile& tile) {
  const std::uint32_t padded = (tile.col_count + 15) / 16 * 16;
  std::vector<std::uint32_t> hits(std::size_t{tile.row_count} * padded + 16, 0xdeadbeef);
  std::vector<float> scores(hits.size());
  const std::size_t count = backend.kernel(tile, {hits.data(), scores.data()});
  EXPECT_LE(count, std::size_t{tile.row_count} * padded);
  std::map<std::uint32_t, float> pairs;
  for (std::size_t h = 0; h < count; ++h) {
    EXPECT_LT(hits[h] >> 16, tile.row_count);
    EXPECT_LT(hits[h] & 0xffff, padded);
    if ((hits[h] & 0xffff) < tile.col_count) {
      EXPECT_TRUE(pairs.emplace(hits[h], scores[h]).second) << "twice: " << hits[h];
    }
  }
  return pairs;
}

// Fails where a score is not that of a plain loop, or where one is written beyond the columns of a row.
void expect_scores(const FilterBackend& backend, const MadeUpTile& made) {
  const std::uint32_t padded = (made.cols + 15) / 16 * 16, stride = padded + 16;
  constexpr float untouched = 12345;
  std::vector<float> scores(std::size_t{made.rows} * stride, untouched);
  backend.scores(made.tile(), scores.data(), stride);
  for (std::uint32_t i = 0; i < made.rows; ++i) {
    for (std::uint32_t j = 0; j < made.cols; ++j)
      ASSERT_EQ(scores[i * stride + j], made.upper(i, j)) << "row " << i << ", column " << j;
    for (std::uint32_t j = padded; j < stride; ++j) ASSERT_EQ(scores[i * stride + j], untouched);
  }
}

TEST(FilterKernel, ReturnsThePairsOfAPlainLoop) {
  for (const Isa isa : oracle::machine_isas()) {
    const FilterBackend backend = filter_backend(isa);
    std::size_t passed = 0, all = 0;
    for (const std::uint32_t rows : {1, 2, 3, 4, 5, 11, 12, 13, 16, 17, 24, 25})
      for (const std::uint32_t cols : {1, 15, 16, 17, 31, 32, 33, 65, 130})
        for (const std::uint32_t dim : {4, 8, 12, 32, 36, 256, 300})
          for (const Codes codes : {Codes::any, Codes::extreme, Codes::border}) {
            SCOPED_TRACE(std::to_string(rows) + " rows, " + std::to_string(cols) + " columns, " + std::to_string(dim) +
                         code_names[static_cast<int>(codes)] + " codes, " + std::string(name(isa)));
            const MadeUpTile made(rows, cols, dim, backend, codes, rows * 1000 + cols * 10 + dim);
            const std::map<std::uint32_t, float> expected = made.expected();
            ASSERT_EQ(hits_of(backend, made.tile()), expected);
            ASSERT_NO_FATAL_FAILURE(expect_scores(backend, made));
            passed += expected.size();
            all += std::size_t{rows} * cols;
          }
    // The thresholds are where they tell right from wrong.
    EXPECT_GT(passed, all / 5);
    EXPECT_LT(passed, all - all / 5);
  }
}

// More rows than any kernel takes at a time, and what is left over by the parts in which they take them.
TEST(FilterKernel, ReturnsThePairsOfALargeTile) {
  for (const Isa isa : oracle::machine_isas()) {
    const FilterBackend backend = filter_backend(isa);
    for (const std::uint32_t rows : {127, 130, 144, 145, 175, 300})
      for (const std::uint32_t dim : {68, 128})
        for (const Codes codes : {Codes::any, Codes::border}) {
          SCOPED_TRACE(std::to_string(rows) + " rows, " + std::to_string(dim) + code_names[static_cast<int>(codes)] +
                       " codes, " + std::string(name(isa)));
          const MadeUpTile made(rows, 200, dim, backend, codes, 3);
          EXPECT_EQ(hits_of(backend, made.tile()), made.expected());
          expect_scores(backend, made);
        }
  }
}

TEST(FilterKernel, OpenRowsOrColumnsLetEveryPairPassAndClosedOnesNone) {
  for (const Isa isa : oracle::machine_isas()) {
    const FilterBackend backend = filter_backend(isa);
    MadeUpTile made(13, 33, 32, backend, Codes::any, 5);
    made.col_threshold.assign(made.col_threshold.size(), infinity);
    made.row_threshold.assign(13, -infinity);
    EXPECT_EQ(hits_of(backend, made.tile()).size(), 13u * 33u);
    made.row_threshold.assign(13, infinity);
    EXPECT_EQ(hits_of(backend, made.tile()).size(), 0u);
    for (std::uint32_t j = 0; j < 33; ++j) made.col_threshold[j] = -infinity;
    EXPECT_EQ(hits_of(backend, made.tile()).size(), 13u * 33u);
  }
}

// The promise on which exactness rests: what the kernel compares with a threshold is never below the float32 score, so
// a pair whose score reaches the threshold of either row passes. Each pair is tried with exactly its score.
void expect_every_pair_at_its_score_passes(const oracle::MadeUpRows& rows, std::size_t split, Isa isa, Metric metric) {
  const FilterBackend backend = filter_backend(isa);
  const DescriptorView x(oracle::view(rows, 0, split)), y(oracle::view(rows, split, rows.n));
  const FilterSpace space = make_filter_space(1, x, y);
  const FilterRows a = make_filter_rows(1, x, space, metric, backend, true, false);
  const FilterRows b = make_filter_rows(1, y, space, metric, backend, false, true);
  const auto kind =
      metric == Metric::l2 ? oracle::Similarity::minus_squared_distance : oracle::Similarity::inner_product;
  std::vector<float> thresholds((y.rows() + 15) / 16 * 16, infinity);
  std::vector<std::uint32_t> hits(thresholds.size() + 16);
  std::vector<float> scores(hits.size());
  for (std::size_t i = 0; i < x.rows(); ++i) {
    for (std::size_t j = 0; j < y.rows(); ++j) {
      const float score = similarity(x, i, y, j, metric);
      const float exact = static_cast<float>(oracle::similarity(kind, rows.row(i), rows.row(split + j), rows.d));
      thresholds[j] = std::max(score, exact);
    }
    const float closed = infinity;
    const FilterTile tile{a.rows.row(i),
                          &a.start[i],
                          &a.scale[i],
                          &a.bound[i],
                          &closed,
                          1,
                          b.panels.data(),
                          b.scale.data(),
                          b.bound.data(),
                          thresholds.data(),
                          static_cast<std::uint32_t>(y.rows()),
                          a.code_bytes};
    const std::size_t count = backend.kernel(tile, {hits.data(), scores.data()});
    std::set<std::uint32_t> passed(hits.begin(), hits.begin() + static_cast<std::ptrdiff_t>(count));
    for (std::uint32_t j = 0; j < y.rows(); ++j)
      ASSERT_TRUE(passed.count(j)) << "row " << i << ", column " << j << ", score " << thresholds[j];
  }
}

TEST(FilterBound, IsNeverBelowTheSimilarity) {
  for (const oracle::Shape shape : oracle::all_shapes)
    for (const std::size_t d : {1, 2, 3, 4, 5, 31, 32, 33, 256, 300})
      for (const Isa isa : oracle::machine_isas())
        for (const Metric metric : {Metric::inner_product, Metric::l2}) {
          SCOPED_TRACE(where(shape, d, isa, metric));
          expect_every_pair_at_its_score_passes(oracle::make_rows(shape, 101, d, 7), 50, isa, metric);
          if (testing::Test::HasFatalFailure()) return;
        }
}

// One row in each of many sets: the residual is as large as a code can leave it.
TEST(FilterBound, HoldsForTwoRows) {
  for (std::uint32_t seed = 0; seed < 200; ++seed)
    for (const Isa isa : oracle::machine_isas())
      for (const Metric metric : {Metric::inner_product, Metric::l2}) {
        SCOPED_TRACE(where(oracle::Shape::gaussian, seed % 9 + 1, isa, metric));
        expect_every_pair_at_its_score_passes(oracle::make_rows(oracle::Shape::gaussian, 2, seed % 9 + 1, seed), 1, isa,
                                              metric);
        if (testing::Test::HasFatalFailure()) return;
      }
}

// A filter that lets everything pass would satisfy all of the above.
TEST(FilterBound, IsTight) {
  const oracle::MadeUpRows rows = oracle::make_rows(oracle::Shape::clustered, 400, 256, 8);
  const DescriptorView x(oracle::view(rows));
  for (const Isa isa : oracle::machine_isas()) {
    const FilterBackend backend = filter_backend(isa);
    const FilterSpace space = make_filter_space(1, x, {});
    const FilterRows codes = make_filter_rows(1, x, space, Metric::inner_product, backend, true, true);
    // Pairs within a cluster have similarities of about 0.86, between clusters of about 0 (deviation 0.06).
    std::vector<float> half(400, 0.5f), closed(400, infinity);
    const FilterTile tile{
        codes.rows.data(),   codes.start.data(), codes.scale.data(), codes.bound.data(), half.data(), 400,
        codes.panels.data(), codes.scale.data(), codes.bound.data(), closed.data(),      400,         codes.code_bytes};
    std::size_t expected = 0;
    for (std::size_t i = 0; i < 400; ++i)
      for (std::size_t j = 0; j < 400; ++j)
        expected += oracle::similarity(oracle::Similarity::inner_product, rows.row(i), rows.row(j), 256) >= 0.5;
    EXPECT_EQ(hits_of(backend, tile).size(), expected);
  }
}

TEST(FilterRows, DoNotDependOnTheThreads) {
  const oracle::MadeUpRows rows = oracle::make_rows(oracle::Shape::clustered, 9000, 12, 9);
  const DescriptorView x(oracle::view(rows));
  const FilterBackend backend = filter_backend(Isa::avx2);
  const FilterSpace one = make_filter_space(1, x, {}), three = make_filter_space(3, x, {});
  EXPECT_EQ(one.centre, three.centre);
  EXPECT_EQ(one.largest_norm, three.largest_norm);
  const FilterRows a = make_filter_rows(1, x, one, Metric::l2, backend, false, false);
  const FilterRows b = make_filter_rows(3, x, three, Metric::l2, backend, false, false);
  EXPECT_EQ(a.start, b.start);
  EXPECT_EQ(a.scale, b.scale);
  EXPECT_EQ(a.bound, b.bound);
}

}  // namespace
}  // namespace lowshot::knn
