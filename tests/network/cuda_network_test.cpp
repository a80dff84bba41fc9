#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "lowshot/device.h"
#include "lowshot/error.h"
#include "lowshot/network.h"
#include "network/made_up_crops.h"
#include "oracle/resnet_oracle.h"

namespace lowshot {
namespace {

using fixtures::normalisation;

#ifdef LOWSHOT_WITH_CUDNN

using fixtures::normalised;
using fixtures::random_crops;

struct Agreement {
  double error, cosine;  // relative to the length of the expected descriptor
};

Agreement compare(const float* found, const std::vector<double>& expected) {
  double error = 0, length = 0, found_length = 0, product = 0;
  for (std::size_t j = 0; j < expected.size(); ++j) {
    error += std::pow(found[j] - expected[j], 2);
    length += expected[j] * expected[j];
    found_length += double{found[j]} * found[j];
    product += found[j] * expected[j];
  }
  return {std::sqrt(error / length), product / std::sqrt(length * found_length)};
}

struct Case {
  const char* name;
  std::vector<int> blocks;
  bool bottleneck;
  std::uint32_t side;
};

void PrintTo(const Case& c, std::ostream* out) {
  *out << c.name;
}

class CudaNetworkTest : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (list_devices().empty()) GTEST_SKIP() << "this machine has no CUDA device that can be used";
  }
};

// All five, and sides that are odd in the crop and in later maps.
TEST_P(CudaNetworkTest, IsTheNetworkInPlainLoops) {
  const Case& c = GetParam();
  const NamedTensors tensors = oracle::random_resnet(c.blocks, c.bottleneck, 7);
  const ResNet model = load_resnet(c.name, tensors, "random weights");
  const Matrix<std::uint8_t> crops = random_crops(3, c.side, 1);
  const std::vector<double> expected =
      oracle::run_resnet(tensors, c.blocks, c.bottleneck, normalised(crops.row(2), c.side), static_cast<int>(c.side));
  ASSERT_EQ(expected.size(), model.dim());
  Context context;
  for (const bool half : {false, true}) {
    auto network = make_cuda_network(context, model, normalisation, c.side, 0, half, 3);
    Matrix<float> out(3, network->dim());
    std::fill_n(out.data(), out.size(), -1.0F);
    network->run(crops, out);
    const Agreement a = compare(out.row(2), expected);
    RecordProperty(half ? "half" : "float", std::to_string(a.error));
    // Float32 with products rounded for tensor cores (TF32) would be off by some 1e-3.
    EXPECT_LT(a.error, half ? 0.02 : 1e-5) << network->description();
    EXPECT_GT(a.cosine, half ? 0.9999 : 1 - 1e-9) << network->description();
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, CudaNetworkTest,
    testing::Values(Case{"ResNet10", {1, 1, 1, 1}, false, 64}, Case{"ResNet10", {1, 1, 1, 1}, false, 61},
                    Case{"ResNet18", {2, 2, 2, 2}, false, 64}, Case{"ResNet34", {3, 4, 6, 3}, false, 64},
                    Case{"ResNet50", {3, 4, 6, 3}, true, 64}, Case{"ResNet50", {3, 4, 6, 3}, true, 75},
                    Case{"ResNet101", {3, 4, 23, 3}, true, 64}),
    [](const auto& info) { return std::string(info.param.name) + "Of" + std::to_string(info.param.side); });

class CudaNetwork : public testing::Test {
 protected:
  void SetUp() override {
    if (list_devices().empty()) GTEST_SKIP() << "this machine has no CUDA device that can be used";
  }
  const ResNet model_ = load_resnet("ResNet10", oracle::random_resnet({1, 1, 1, 1}, false, 3), "random weights");
  Context context_;
};

// Several passes, the last one not full, in another order and one by one: the bits of a crop do not move.
TEST_F(CudaNetwork, DescriptorsDependOnTheCropAlone) {
  const std::size_t side = 40, n = 3 * 128 + 17;
  const Matrix<std::uint8_t> crops = random_crops(n, side, 2);
  Matrix<std::uint8_t> reversed(n, crops.cols());
  for (std::size_t i = 0; i < n; ++i) std::memcpy(reversed.row(i), crops.row(n - 1 - i), crops.cols());
  for (const bool half : {false, true}) {
    auto network = make_cuda_network(context_, model_, normalisation, side, 0, half, n);
    EXPECT_EQ(network->batch(), n);
    Matrix<float> all(n, network->dim()), back(n, network->dim()), row(1, network->dim());
    network->run(crops, all);
    network->run(reversed, back);
    for (std::size_t i = 0; i < n; ++i)
      ASSERT_EQ(std::memcmp(back.row(n - 1 - i), all.row(i), row.size() * sizeof(float)), 0) << "crop " << i;
    for (std::size_t i = 0; i < n; i += 37) {
      network->run(crops.view().rows(i, i + 1), row);
      ASSERT_EQ(std::memcmp(row.data(), all.row(i), row.size() * sizeof(float)), 0) << "crop " << i;
    }
    EXPECT_NE(std::memcmp(all.row(0), all.row(1), row.size() * sizeof(float)), 0);
    auto second = make_cuda_network(context_, model_, normalisation, side, 0, half, n);
    EXPECT_EQ(second->description(), network->description());
    second->run(crops, back);
    EXPECT_EQ(std::memcmp(back.data(), all.data(), all.size() * sizeof(float)), 0);
  }
}

TEST_F(CudaNetwork, TakesNoCrops) {
  auto network = make_cuda_network(context_, model_, normalisation, 32, 0, true);
  network->run(MatrixView<const std::uint8_t>(nullptr, 0, 3 * 32 * 32), MatrixView<float>(nullptr, 0, network->dim()));
}

TEST_F(CudaNetwork, RefusesWhatDoesNotFit) {
  EXPECT_THROW(make_cuda_network(context_, model_, normalisation, 32, 1000, false), Error);
  try {
    // The maps of one crop are 280 GB.
    make_cuda_network(context_, model_, normalisation, 30000, 0, false, 1);
    FAIL() << "280 GB were taken";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::device);
    EXPECT_NE(std::string(e.what()).find("use a smaller batch"), std::string::npos) << e.what();
  }
  auto network = make_cuda_network(context_, model_, normalisation, 32, 0, false, 2);
  const Matrix<std::uint8_t> crops = random_crops(3, 32, 1);
  Matrix<float> out(3, network->dim()), narrow(2, network->dim() - 1);
  EXPECT_THROW(network->run(crops, out), Error);
  EXPECT_THROW(network->run(crops.view().rows(0, 2), narrow), Error);
  EXPECT_THROW(network->run(random_crops(2, 31, 1), out.view().rows(0, 2)), Error);
  network->run(crops.view().rows(0, 2), out.view().rows(0, 2));  // a refusal leaves nothing behind
}

#endif

TEST(CudaNetworkWithoutDevice, SaysSo) {
  if (has_cuda_networks() && !list_devices().empty()) GTEST_SKIP() << "this machine has a CUDA device";
  Context context;
  try {
    make_cuda_network(context, resnet_architecture("ResNet10"), normalisation, 32, 0, false);
    FAIL() << "no device, no error";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::device);
    const char* expected = has_cuda_networks() ? "no CUDA device" : "scripts/build cuda";
    EXPECT_NE(std::string(e.what()).find(expected), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace lowshot
