#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "lowshot/error.h"
#include "lowshot/network.h"
#include "network/made_up_crops.h"
#include "oracle/resnet_oracle.h"

namespace lowshot {
namespace {

using fixtures::normalisation;
using fixtures::normalised;
using fixtures::random_crops;

struct Case {
  const char* name;
  std::vector<int> blocks;
  bool bottleneck;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.name;
}

class CpuNetworkTest : public testing::TestWithParam<Case> {};

// All five, both kinds of block, biases and shortcuts included. Relative to the length of the descriptor.
TEST_P(CpuNetworkTest, IsTheNetworkInPlainLoops) {
  const Case& c = GetParam();
  const NamedTensors tensors = oracle::random_resnet(c.blocks, c.bottleneck, 7);
  EXPECT_EQ(check_model(tensors).recognised, c.name);
  Context context;
  const std::size_t side = 64;  // a last map of 2 x 2
  auto network = make_cpu_network(context, load_resnet(c.name, tensors, "random weights"), normalisation, side);
  const Matrix<std::uint8_t> crops = random_crops(3, side, 1);
  Matrix<float> out(3, network->dim());
  network->run(crops, out);
  const std::vector<double> expected =
      oracle::run_resnet(tensors, c.blocks, c.bottleneck, normalised(crops.row(2), side), side);
  ASSERT_EQ(expected.size(), network->dim());
  double error = 0, length = 0;
  for (std::size_t j = 0; j < expected.size(); ++j) {
    error += std::pow(out(2, j) - expected[j], 2);
    length += expected[j] * expected[j];
  }
  EXPECT_GT(length, 0);
  EXPECT_LT(std::sqrt(error / length), 2e-6);
}

INSTANTIATE_TEST_SUITE_P(All, CpuNetworkTest,
                         testing::Values(Case{"ResNet10", {1, 1, 1, 1}, false}, Case{"ResNet18", {2, 2, 2, 2}, false},
                                         Case{"ResNet34", {3, 4, 6, 3}, false}, Case{"ResNet50", {3, 4, 6, 3}, true},
                                         Case{"ResNet101", {3, 4, 23, 3}, true}),
                         [](const auto& tested) { return std::string(tested.param.name); });

// A resumed job computes other batches than an undisturbed one on another number of threads: its bits must not move.
TEST(CpuNetwork, DescriptorsDependOnTheCropAlone) {
  const NamedTensors tensors = oracle::random_resnet({1, 1, 1, 1}, false, 3);
  const ResNet model = load_resnet("ResNet10", tensors, "random weights");
  const std::size_t side = 40, n = 23;
  const Matrix<std::uint8_t> crops = random_crops(n, side, 2);
  Matrix<float> all(n, model.dim());
  Context one;
  one.threads = 1;
  make_cpu_network(one, model, normalisation, side, n)->run(crops, all);
  Context three;
  three.threads = 3;
  auto network = make_cpu_network(three, model, normalisation, side, n);
  Matrix<float> row(1, model.dim());
  for (std::size_t i = 0; i < n; ++i) {
    network->run(crops.view().rows(i, i + 1), row);
    ASSERT_EQ(std::memcmp(row.data(), all.row(i), row.size() * sizeof(float)), 0) << "crop " << i;
  }
  Matrix<float> again(n, model.dim());
  network->run(crops, again);
  EXPECT_EQ(std::memcmp(again.data(), all.data(), all.size() * sizeof(float)), 0);
}

}  // namespace
}  // namespace lowshot
