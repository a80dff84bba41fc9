#include "diffusion/step.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "core/half.h"
#include "oracle/dense.h"
#include "oracle/made_up_graphs.h"
#include "oracle/views.h"

namespace lowshot::diffusion {
namespace {

// to = D^-1 B from against dense float64; rows that are not asked for keep what they held.
TEST(Step, IsTheDenseProduct) {
  const std::size_t n = 130;
  for (const bool clustered : {false, true}) {
    const oracle::Lists lists = clustered ? oracle::clustered_lists(n, 6, 1) : oracle::untidy_lists(n, 6, 2);
    Context context;
    const Graph graph = symmetrise(context, oracle::table_of(lists, 6));
    const oracle::Dense w = oracle::transition(oracle::symmetric(oracle::adjacency(lists)));
    std::mt19937 random(3);
    std::uniform_real_distribution<float> uniform;
    std::vector<std::uint32_t> some;
    for (std::uint32_t i = 0; i < n; ++i)
      if (i % 3 != 1) some.push_back(i);
    for (const std::uint32_t width : {16u, 32u, 48u, 64u})
      for (const Isa isa : oracle::machine_isas())
        for (const bool list : {false, true})
          for (const std::uint64_t shift : {std::uint64_t{0}, std::uint64_t{5000000000}}) {
            SCOPED_TRACE("width " + std::to_string(width) + ", " + std::string(name(isa)));
            Matrix<float> from(n, width), to(n, width);
            for (std::size_t e = 0; e < from.size(); ++e) from.data()[e] = uniform(random), to.data()[e] = -1;
            Array<std::uint64_t> offsets = graph.offsets;
            for (std::uint64_t& offset : offsets) offset += shift;
            const StepTask<float> task{
                offsets.data(), graph.neighbours.data(), graph.inverse_degree.data(), n, from.data(), to.data(), width};
            // In two calls, as two threads would.
            const std::size_t count = list ? some.size() : n;
            step_kernel<float>(isa)(task, list ? some.data() : nullptr, 0, count / 3);
            step_kernel<float>(isa)(task, list ? some.data() : nullptr, count / 3, count);
            for (std::size_t i = 0; i < n; ++i)
              for (std::uint32_t c = 0; c < width; ++c) {
                if (list && i % 3 == 1) {
                  ASSERT_EQ(to(i, c), -1) << "row " << i << " was not asked for";
                  continue;
                }
                double expected = 0;
                for (std::size_t j = 0; j < n; ++j) expected += w(i, j) * from(j, c);
                // A row has fewer than 100 edges; all terms are positive.
                ASSERT_NEAR(to(i, c), expected, 100 * std::ldexp(expected, -24)) << "row " << i << ", class " << c;
              }
          }
  }
}

// Half precision: the sum of the stored values in float32, in the order of the edges, rounded once to 11 bits.
TEST(Step, InHalfPrecisionRoundsTheFloatSumOnce) {
  const std::size_t n = 130;
  Context context;
  const Graph graph = symmetrise(context, oracle::table_of(oracle::untidy_lists(n, 6, 2), 6));
  std::mt19937 random(7);
  std::vector<std::uint32_t> some;
  for (std::uint32_t i = 0; i < n; ++i)
    if (i % 3 != 1) some.push_back(i);
  for (const std::uint32_t width : {32u, 64u})
    for (const Isa isa : oracle::machine_isas())
      for (const bool list : {false, true}) {
        Matrix<Half> from(n, width), to(n, width);
        for (std::size_t e = 0; e < from.size(); ++e) {
          // From 32768 down to what half precision cannot hold any more.
          from.data()[e] = to_half(
              std::ldexp(1.0f + static_cast<float>(random() % 1024) / 1024, 15 - static_cast<int>(random() % 45)));
          to.data()[e].bits = 0x7c01;
        }
        step_kernel<Half>(isa)({graph.offsets.data(), graph.neighbours.data(), graph.inverse_degree.data(), n,
                                from.data(), to.data(), width},
                               list ? some.data() : nullptr, 0, list ? some.size() : n);
        for (std::size_t i = 0; i < n; ++i)
          for (std::uint32_t c = 0; c < width; ++c) {
            if (list && i % 3 == 1) {
              ASSERT_EQ(to(i, c).bits, 0x7c01) << "row " << i << " was not asked for";
              continue;
            }
            float sum = 0;
            for (const std::uint32_t edge : graph.view().row(i))
              sum += static_cast<float>(edge_weight(edge)) * to_float(from(edge_node(edge), c));
            ASSERT_EQ(to(i, c).bits, to_half(sum * graph.inverse_degree[i]).bits) << "row " << i << ", class " << c;
          }
      }
}

TEST(Step, GivesTheSameBitsOnEveryInstructionSetAndInEveryWidth) {
  const std::size_t n = 200;
  Context context;
  const Graph graph = symmetrise(context, oracle::table_of(oracle::clustered_lists(n, 9, 4), 9));
  std::mt19937 random(5);
  std::uniform_real_distribution<float> uniform;
  std::vector<float> column(n);
  for (float& value : column) value = uniform(random);
  std::vector<float> expected;
  for (const Isa isa : oracle::machine_isas())
    for (const std::uint32_t width : {16u, 32u, 48u, 64u}) {
      Matrix<float> from(n, width), to(n, width);
      for (std::size_t i = 0; i < n; ++i)
        for (std::uint32_t c = 0; c < width; ++c) from(i, c) = column[(i + c) % n];
      step_kernel<float>(isa)({graph.offsets.data(), graph.neighbours.data(), graph.inverse_degree.data(), n,
                               from.data(), to.data(), width},
                              nullptr, 0, n);
      std::vector<float> first(n);
      for (std::size_t i = 0; i < n; ++i) first[i] = to(i, 15);
      if (expected.empty()) expected = first;
      EXPECT_EQ(first, expected) << name(isa) << ", width " << width;
    }
}

}  // namespace
}  // namespace lowshot::diffusion
