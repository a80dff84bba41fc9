#include "network/cuda_resnet.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "core/half.h"
#include "lowshot/error.h"

namespace lowshot::network {
namespace {

// Weights as the device keeps them: out x kernel x kernel x in.
std::vector<float> channels_last(const Convolution& c) {
  const std::size_t in = c.in, area = std::size_t{c.kernel} * c.kernel;
  std::vector<float> w(c.weights.size());
  for (std::size_t o = 0; o < c.out; ++o)
    for (std::size_t i = 0; i < in; ++i)
      for (std::size_t k = 0; k < area; ++k) w[(o * area + k) * in + i] = c.weights[(o * in + i) * area + k];
  return w;
}

// The stem over blocks of 2 x 2 pixels (StemInput): its 7 rows and columns are the last of 8.
std::vector<float> stem_weights(const Convolution& c, const StemInput& input) {
  constexpr std::size_t kernel = 7, colours = 3, blocks = StemInput::kernel;
  std::vector<float> w(c.out * blocks * blocks * input.channels(), 0.0F);
  for (std::size_t o = 0; o < c.out; ++o)
    for (std::size_t i = 0; i < colours; ++i)
      for (std::size_t r = 0; r < kernel; ++r)
        for (std::size_t s = 0; s < kernel; ++s) {
          const std::size_t row = r + 1, column = s + 1;
          const std::size_t channel = (row % 2 * 2 + column % 2) * colours + i;
          w[((o * blocks + row / 2) * blocks + column / 2) * input.channels() + channel] =
              c.weights[((o * colours + i) * kernel + r) * kernel + s];
        }
  return w;
}

DeviceArray<std::byte> on_device(const std::vector<float>& values, bool half) {
  if (!half) return {reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(float)};
  std::vector<Half> halves(values.size());
  convert(values.data(), halves.data(), values.size());
  return {reinterpret_cast<const std::byte*>(halves.data()), halves.size() * sizeof(Half)};
}

// The description that load_resnet gives is what is computed; another would need other kernels.
void require_known(const ResNet& model) {
  const Convolution& stem = model.stem;
  const bool known = stem.in == 3 && stem.kernel == 7 && stem.stride == 2 && stem.pad == 3 && !model.blocks.empty() &&
                     std::all_of(model.blocks.begin(), model.blocks.end(), [](const Block& b) {
                       return b.path.size() >= 2 && b.path.size() <= 3 && b.shortcut.size() <= 1;
                     });
  if (!known)
    throw Error(ErrorKind::usage, fmt::format("{} is built in a way that the GPU's network does not know", model.name));
}

// Values of the largest map of one crop: the stem's output or a block's.
std::size_t largest_map(const ResNet& model, std::uint32_t crop) {
  const StemInput input{crop, true};
  std::size_t side = input.out();
  std::size_t most =
      std::max(std::size_t{input.side()} * input.side() * input.channels(), side * side * model.stem.out);
  side = (side + 1) / 2;
  for (const Block& block : model.blocks)
    for (const Convolution& c : block.path) {
      side = (side + c.stride - 1) / c.stride;
      most = std::max(most, side * side * c.out);
    }
  return most;
}

}  // namespace

std::uint32_t CudaResNet::good_pass(const ResNet& model, std::uint32_t crop) {
  constexpr std::uint32_t good = 128;
  // cuDNN's engines count the values of a map in 31 bits.
  constexpr std::size_t most_values = std::size_t{1} << 30;
  return static_cast<std::uint32_t>(std::clamp<std::size_t>(most_values / largest_map(model, crop), 1, good));
}

CudaResNet::CudaResNet(const ResNet& model, const Normalisation& normalisation, std::uint32_t crop, std::uint32_t crops,
                       bool half)
    : normalisation_(normalisation),
      crops_(crops),
      dim_(model.dim()),
      half_(half),
      input_{crop, half},
      stem_channels_(model.stem.out),
      cudnn_(stream_) {
  require_known(model);
  std::size_t map_bytes = 0;
  if (__builtin_mul_overflow(largest_map(model, crop) * (half ? sizeof(Half) : sizeof(float)), std::size_t{crops},
                             &map_bytes))
    throw Error(ErrorKind::usage, fmt::format("a batch of {} crops of {} x {} pixels is too large", crops, crop, crop));
  for (DeviceArray<std::byte>* map : {&input_map_, &output_map_, &between_[0], &between_[1], &shortcut_})
    *map = DeviceArray<std::byte>(map_bytes);
  descriptors_ = DeviceArray<float>(std::size_t{crops} * dim_);

  std::uint32_t side = input_.out();
  const ConvolutionShape stem{crops,
                              input_.side(),
                              input_.side(),
                              input_.channels(),
                              model.stem.out,
                              StemInput::kernel,
                              StemInput::kernel,
                              1,
                              0,
                              false,
                              true,
                              half};
  add_layer(model.stem, stem, between_[0].data(), nullptr, between_[1].data());
  side = (side + 1) / 2;  // the max pool, into input_map_
  for (const Block& block : model.blocks) add_block(block, side);
  last_side_ = side;

  std::size_t workspace = 0;
  for (const auto& [shape, plan] : plans_) workspace = std::max(workspace, plan.workspace());
  workspace_ = DeviceArray<std::byte>(workspace);
  capture();
}

CudaResNet::~CudaResNet() {
  cudaStreamSynchronize(stream_.get());
  if (graph_ != nullptr) cudaGraphExecDestroy(graph_);
}

void CudaResNet::add_layer(const Convolution& convolution, const ConvolutionShape& shape, const void* x,
                           const void* residual, void* y) {
  auto plan = plans_.find(shape);
  if (plan == plans_.end()) plan = plans_.emplace(shape, choose_plan(cudnn_, shape)).first;
  const bool is_stem = layers_.empty();
  parameters_.push_back({on_device(is_stem ? stem_weights(convolution, input_) : channels_last(convolution), half_),
                         DeviceArray<float>(convolution.bias.data(), convolution.bias.size())});
  layers_.push_back({&plan->second, parameters_.size() - 1, x, residual, y});
}

// output <- relu(path(input) + shortcut(input)); then output is the next block's input.
void CudaResNet::add_block(const Block& block, std::uint32_t& side) {
  const auto shape = [&](const Convolution& c, std::uint32_t from, bool residual) {
    return ConvolutionShape{crops_,   from,     from,  c.in,     c.out,  c.kernel,
                            c.kernel, c.stride, c.pad, residual, c.relu, half_};
  };
  const void* residual = input_map_.data();
  if (!block.shortcut.empty()) {
    add_layer(block.shortcut[0], shape(block.shortcut[0], side, false), input_map_.data(), nullptr, shortcut_.data());
    residual = shortcut_.data();
  }
  const void* x = input_map_.data();
  for (std::size_t i = 0; i < block.path.size(); ++i) {
    const Convolution& c = block.path[i];
    const bool last = i + 1 == block.path.size();
    void* const y = last ? output_map_.data() : between_[i % 2].data();
    const ConvolutionShape s = shape(c, side, last);
    add_layer(c, s, x, last ? residual : nullptr, y);
    side = s.out_height();
    x = y;
  }
  std::swap(input_map_, output_map_);
}

// Everything after the normalisation, whose input changes from call to call.
void CudaResNet::launch_layers() {
  const std::uint32_t stem_side = input_.out();
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    const Layer& layer = layers_[i];
    const Parameters& p = parameters_[layer.weights];
    layer.plan->run({layer.x, p.weights.data(), p.bias.data(), layer.residual, layer.y, workspace_.data()});
    if (i == 0)
      max_pool(layer.y, const_cast<void*>(layers_[1].x), crops_, stem_side, stem_channels_, half_, stream_.get());
  }
  average(layers_.back().y, descriptors_.data(), crops_, last_side_ * last_side_, dim_, half_, stream_.get());
}

// The launches as one CUDA graph.
void CudaResNet::capture() {
  launch_layers();  // modules are loaded on their first use, which cannot be captured
  stream_.wait();
  require(cudaStreamBeginCapture(stream_.get(), cudaStreamCaptureModeThreadLocal), "to record the network");
  cudaGraph_t graph = nullptr;
  try {
    launch_layers();
  } catch (...) {
    cudaStreamEndCapture(stream_.get(), &graph);
    if (graph != nullptr) cudaGraphDestroy(graph);
    throw;
  }
  require(cudaStreamEndCapture(stream_.get(), &graph), "to record the network");
  const cudaError_t made = cudaGraphInstantiate(&graph_, graph, 0);
  cudaGraphDestroy(graph);
  require(made, "the recorded network");
}

void CudaResNet::forward(const std::uint8_t* bytes) {
  normalise(bytes, const_cast<void*>(layers_[0].x), crops_, input_, normalisation_, stream_.get());
  require(cudaGraphLaunch(graph_, stream_.get()), "the network");
}

std::vector<std::string> CudaResNet::plans() const {
  std::vector<std::string> lines;
  for (const auto& [s, plan] : plans_)
    lines.push_back(fmt::format("{} x {} x {} to {}, kernel {} x {}, stride {}{}{}: {}", s.height, s.width, s.in, s.out,
                                s.kernel_height, s.kernel_width, s.stride, s.residual ? ", residual" : "",
                                s.relu ? ", ReLU" : "", plan.description()));
  return lines;
}

}  // namespace lowshot::network
