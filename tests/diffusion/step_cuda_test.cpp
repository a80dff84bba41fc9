// The diffusion step on a GPU against the CPU's, to the last bit: both add exact products in the order of the edges.
#include <gtest/gtest.h>

#ifdef LOWSHOT_WITH_CUDA

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

#include "diffusion/step.h"
#include "diffusion/step_cuda.h"
#include "lowshot/device.h"
#include "lowshot/error.h"

namespace lowshot::diffusion {
namespace {

// A graph of random edges with both weights: rows of 0 to `most` edges, one row with very many.
Graph random_graph(std::size_t nodes, std::size_t most, std::uint32_t seed) {
  std::mt19937 random(seed);
  Graph graph;
  graph.offsets.push_back(0);
  for (std::size_t i = 0; i < nodes; ++i) {
    const std::size_t edges = i == nodes / 2 ? 10 * most : random() % (most + 1);
    float degree = 0;
    for (std::size_t e = 0; e < edges; ++e) {
      const std::uint32_t edge = static_cast<std::uint32_t>(random() % nodes) | (random() % 2 == 0 ? weight2_bit : 0);
      graph.neighbours.push_back(edge);
      degree += static_cast<float>(edge_weight(edge));
    }
    graph.offsets.push_back(graph.neighbours.size());
    graph.inverse_degree.push_back(degree > 0 ? 1 / degree : 0);
  }
  return graph;
}

Matrix<float> random_rows(std::size_t rows, std::size_t cols, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> values(0, 1);
  Matrix<float> m(rows, cols);
  for (std::size_t i = 0; i < m.size(); ++i) m.data()[i] = values(random) * (random() % 3 == 0 ? 0.0f : 1.0f);
  return m;
}

// The CPU's step takes widths up to 64: wider slices go through it 32 columns at a time.
Matrix<float> cpu_step(const GraphView& graph, const Matrix<float>& u) {
  constexpr std::size_t part = 32;
  Matrix<float> result(u.rows(), u.cols()), from(u.rows(), part), to(u.rows(), part);
  for (std::size_t first = 0; first < u.cols(); first += part) {
    for (std::size_t i = 0; i < u.rows(); ++i) std::memcpy(from.row(i), u.row(i) + first, part * sizeof(float));
    const StepTask<float> task{graph.offsets.data(),
                               graph.neighbours.data(),
                               graph.inverse_degree.data(),
                               graph.nodes(),
                               from.data(),
                               to.data(),
                               part};
    step_avx2(task, nullptr, 0, graph.nodes());
    for (std::size_t i = 0; i < u.rows(); ++i) std::memcpy(result.row(i) + first, to.row(i), part * sizeof(float));
  }
  return result;
}

class StepCuda : public testing::Test {
 protected:
  void SetUp() override {
    if (list_devices().empty()) GTEST_SKIP() << "this machine has no CUDA device that can be used";
  }

  static void compare(const GraphView& graph, std::uint32_t width, int steps) {
    Matrix<float> expected = random_rows(graph.nodes(), width, width);
    Matrix<float> found(graph.nodes(), width);
    std::fill_n(found.data(), found.size(), -1.0f);
    CudaSlice slice(graph, width);
    slice.upload(expected);
    for (int t = 0; t < steps; ++t) {
      expected = cpu_step(graph, expected);
      slice.step();
    }
    slice.download(found);
    ASSERT_EQ(std::memcmp(found.data(), expected.data(), found.size() * sizeof(float)), 0)
        << graph.nodes() << " nodes, width " << width << ", " << steps << " steps";
  }
};

TEST_F(StepCuda, EqualsTheCpuForEveryWidth) {
  const Graph graph = random_graph(5000, 60, 1);
  for (const std::uint32_t width : {32u, 64u, 96u, 128u, 160u, 192u, 256u}) compare(graph.view(), width, 3);
}

TEST_F(StepCuda, EqualsTheCpuAroundBlockEdges) {
  // Blocks of 256 threads hold 8, 16 or 32 nodes; edges are taken four at a time.
  for (const std::size_t nodes : {1u, 2u, 7u, 8u, 9u, 31u, 32u, 33u, 255u, 257u})
    for (const std::size_t most : {1u, 3u, 4u, 5u}) {
      const Graph graph = random_graph(nodes, most, static_cast<std::uint32_t>(nodes * most));
      for (const std::uint32_t width : {32u, 64u, 128u}) compare(graph.view(), width, 2);
    }
}

TEST_F(StepCuda, TakesAPartOfALargerGraph) {
  Graph graph = random_graph(300, 20, 5);
  for (std::uint64_t& offset : graph.offsets) offset += std::uint64_t{1} << 33;
  compare(graph.view(), 64, 2);
}

TEST_F(StepCuda, GraphWithoutEdges) {
  Graph graph;
  graph.offsets = {0, 0, 0, 0};
  graph.inverse_degree = {0, 0, 0};
  compare(graph.view(), 32, 1);
}

TEST_F(StepCuda, LargeGraph) {
  compare(random_graph(200000, 60, 9).view(), 128, 2);
}

TEST_F(StepCuda, RefusesWhatDoesNotFit) {
  const Graph graph = random_graph(10, 3, 2);
  EXPECT_THROW(CudaSlice(graph.view(), 48), Error);
  EXPECT_THROW(CudaSlice(graph.view(), 32, 1000), Error);
  CudaSlice slice(graph.view(), 32);
  EXPECT_THROW(slice.upload(random_rows(9, 32, 1)), Error);
  try {
    // More than any device has, though the graph itself is small.
    CudaSlice huge(graph.view(), 0xffffffe0u);
    FAIL() << "170 GiB were taken";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::device);
  }
  compare(graph.view(), 32, 1);  // a refusal leaves nothing behind
}

TEST(StepCudaWithoutDevice, SaysSo) {
  if (!list_devices().empty()) GTEST_SKIP() << "this machine has a CUDA device";
  const Graph graph = random_graph(10, 3, 2);
  try {
    CudaSlice slice(graph.view(), 32);
    FAIL() << "no device, no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::device);
    EXPECT_NE(std::string(e.what()).find("no CUDA device"), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace lowshot::diffusion

#else

TEST(StepCuda, EqualsTheCpu) {
  GTEST_SKIP() << "built without CUDA (preset cuda)";
}

#endif
