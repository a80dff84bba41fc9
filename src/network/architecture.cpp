// The five ResNets of the original as layers with the names that its checkpoints give them.
//
// Source: He et al., "Deep Residual Learning for Image Recognition" (CVPR 2016), in the variant of the low-shot
// literature: blocks of two 3 x 3 convolutions (ResNet-10/18/34) whose shortcut is a 1 x 1 convolution with batch norm,
// and bottleneck blocks (ResNet-50/101) whose 3 x 3 convolution has a bias and whose shortcut has neither bias nor
// batch norm.
#include <fmt/format.h>

#include <array>

#include "lowshot/error.h"
#include "lowshot/network.h"

namespace lowshot {
namespace {

struct Variant {
  const char* name;
  std::array<int, 4> blocks;  // in each stage
  bool bottleneck;
};

constexpr std::array<Variant, 5> variants{{{"ResNet10", {1, 1, 1, 1}, false},
                                           {"ResNet18", {2, 2, 2, 2}, false},
                                           {"ResNet34", {3, 4, 6, 3}, false},
                                           {"ResNet50", {3, 4, 6, 3}, true},
                                           {"ResNet101", {3, 4, 23, 3}, true}}};

Convolution convolution(const std::string& name, std::uint32_t in, std::uint32_t out, std::uint32_t kernel,
                        std::uint32_t stride) {
  Convolution c;
  c.name = name;
  c.in = in;
  c.out = out;
  c.kernel = kernel;
  c.stride = stride;
  c.pad = kernel / 2;
  return c;
}

Block simple_block(const std::string& name, std::uint32_t in, std::uint32_t out, std::uint32_t stride) {
  Block block;
  block.path = {convolution(name + ".C1", in, out, 3, stride), convolution(name + ".C2", out, out, 3, 1)};
  block.path[0].batch_norm = name + ".BN1";
  block.path[1].batch_norm = name + ".BN2";
  if (in != out) {
    block.shortcut = {convolution(name + ".shortcut", in, out, 1, stride)};
    block.shortcut[0].batch_norm = name + ".BNshortcut";
  }
  return block;
}

Block bottleneck_block(const std::string& name, std::uint32_t in, std::uint32_t out, std::uint32_t stride) {
  Block block;
  block.path = {convolution(name + ".C1", in, out / 4, 1, 1), convolution(name + ".C2", out / 4, out / 4, 3, stride),
                convolution(name + ".C3", out / 4, out, 1, 1)};
  block.path[0].batch_norm = name + ".BN1";
  block.path[1].batch_norm = name + ".BN2";
  block.path[1].has_bias = true;
  block.path[2].batch_norm = name + ".BN3";
  if (in != out) block.shortcut = {convolution(name + ".shortcut", in, out, 1, stride)};
  return block;
}

}  // namespace

std::vector<std::string> resnet_names() {
  std::vector<std::string> names;
  for (const Variant& v : variants) names.emplace_back(v.name);
  return names;
}

ResNet resnet_architecture(const std::string& name) {
  for (const Variant& v : variants) {
    if (name != v.name) continue;
    ResNet net;
    net.name = name;
    net.stem = convolution("module.trunk.0", 3, 64, 7, 2);
    net.stem.batch_norm = "module.trunk.1";
    net.stem.relu = true;
    // trunk.2 is the ReLU and trunk.3 the max pool.
    std::uint32_t in = 64, index = 4;
    for (std::size_t stage = 0; stage < v.blocks.size(); ++stage) {
      const std::uint32_t out = (v.bottleneck ? 256U : 64U) << stage;
      for (int b = 0; b < v.blocks[stage]; ++b) {
        const std::uint32_t stride = stage > 0 && b == 0 ? 2 : 1;
        const std::string block_name = fmt::format("module.trunk.{}", index++);
        net.blocks.push_back(v.bottleneck ? bottleneck_block(block_name, in, out, stride)
                                          : simple_block(block_name, in, out, stride));
        for (Convolution& c : net.blocks.back().path) c.relu = true;
        in = out;
      }
    }
    return net;
  }
  throw Error(ErrorKind::usage, fmt::format("\"{}\" is no network that is known", name), "--model",
              fmt::format("name one of {}", fmt::join(resnet_names(), ", ")));
}

}  // namespace lowshot
