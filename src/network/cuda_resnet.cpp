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

// The stem over windows (StemInput). In blocks of 2 x 2 pixels its 7 rows and columns are the last of 8; the second
// output of a window lies one block further.
Convolution stem_over_windows(const Convolution& c) {
  constexpr std::size_t kernel = 7, colours = 3, block_values = 12;
  Convolution stem = c;
  stem.weights.assign(StemInput::outputs * c.out * StemInput::kernel * StemInput::channels, 0.0F);
  stem.bias.clear();
  for (std::size_t second = 0; second < StemInput::outputs; ++second) {
    stem.bias.insert(stem.bias.end(), c.bias.begin(), c.bias.end());
    for (std::size_t o = 0; o < c.out; ++o)
      for (std::size_t i = 0; i < colours; ++i)
        for (std::size_t r = 0; r < kernel; ++r)
          for (std::size_t s = 0; s < kernel; ++s) {
            const std::size_t row = r + 1, column = s + 1, block = column / 2 + second;
            const std::size_t channel = block * block_values + (row % 2 * 2 + column % 2) * colours + i;
            stem.weights[((second * c.out + o) * StemInput::kernel + row / 2) * StemInput::channels + channel] =
                c.weights[((o * colours + i) * kernel + r) * kernel + s];
          }
  }
  return stem;
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
  const StemInput input{crop};
  std::size_t side = input.out();
  const std::size_t windows = input.windows();
  std::size_t most =
      std::max(input.rows() * windows * StemInput::channels, side * windows * StemInput::outputs * model.stem.out);
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
  // ResNet-50, float16, H100, images/s with 64, 128, 256 crops: 28,700, 30,200, 31,100 (before the stem's windows);
  // with windows 31,650 and 32,600 with 128 and 256. Five maps of 205 MB at 128; a last pass that is not full wastes
  // less.
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
      input_{crop},
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

  const Convolution stem = stem_over_windows(model.stem);
  ConvolutionShape shape;
  shape.batch = crops;
  shape.height = input_.rows();
  shape.width = input_.windows();
  shape.in = StemInput::channels;
  shape.out = StemInput::outputs * stem.out;
  shape.kernel_height = StemInput::kernel;
  shape.relu = true;
  shape.half = half;
  add_layer(stem.weights, stem.bias, shape, between_[0].data(), nullptr, between_[1].data());
  std::uint32_t side = input_.out();
  pooled_ = input_map_.data();
  side = (side + 1) / 2;
  for (const Block& block : model.blocks) add_block(block, side);
  last_side_ = side;

  std::size_t workspace = 0;
  for (const auto& entry : plans_) workspace = std::max(workspace, entry.second.workspace());
  workspace_ = DeviceArray<std::byte>(workspace);
  capture();
}

CudaResNet::~CudaResNet() {
  cudaStreamSynchronize(stream_.get());
  if (graph_ != nullptr) cudaGraphExecDestroy(graph_);
}

void CudaResNet::add_layer(const std::vector<float>& weights, const std::vector<float>& bias,
                           const ConvolutionShape& shape, const void* x, const void* residual, void* y) {
  auto plan = plans_.find(shape);
  if (plan == plans_.end()) plan = plans_.emplace(shape, choose_plan(cudnn_, shape)).first;
  layers_.push_back(
      {&plan->second, on_device(weights, half_), DeviceArray<float>(bias.data(), bias.size()), x, residual, y});
}

// output <- relu(path(input) + shortcut(input)); then output is the next block's input.
void CudaResNet::add_block(const Block& block, std::uint32_t& side) {
  const auto shape = [&](const Convolution& c, std::uint32_t from, bool residual) {
    return ConvolutionShape{crops_,   from,     from,  c.in,     c.out,  c.kernel,
                            c.kernel, c.stride, c.pad, residual, c.relu, half_};
  };
  const void* residual = input_map_.data();
  if (!block.shortcut.empty()) {
    const Convolution& c = block.shortcut[0];
    add_layer(channels_last(c), c.bias, shape(c, side, false), input_map_.data(), nullptr, shortcut_.data());
    residual = shortcut_.data();
  }
  const void* x = input_map_.data();
  for (std::size_t i = 0; i < block.path.size(); ++i) {
    const Convolution& c = block.path[i];
    const bool last = i + 1 == block.path.size();
    void* const y = last ? output_map_.data() : between_[i % 2].data();
    const ConvolutionShape s = shape(c, side, last);
    add_layer(channels_last(c), c.bias, s, x, last ? residual : nullptr, y);
    side = s.out_height();
    x = y;
  }
  std::swap(input_map_, output_map_);
}

// Everything after the normalisation, whose input changes from call to call.
void CudaResNet::launch_layers() {
  for (const Layer& layer : layers_) {
    layer.plan->run({layer.x, layer.weights.data(), layer.bias.data(), layer.residual, layer.y, workspace_.data()});
    if (&layer == &layers_.front())
      max_pool(layer.y, pooled_, crops_, input_.out(), StemInput::outputs * input_.windows(), stem_channels_, half_,
               stream_.get());
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
  normalise(bytes, between_[0].data(), crops_, input_, half_, normalisation_, stream_.get());
  require(cudaGraphLaunch(graph_, stream_.get()), "the network");
}

std::vector<const ConvolutionPlan*> CudaResNet::plans() const {
  std::vector<const ConvolutionPlan*> result;
  for (const Layer& layer : layers_) result.push_back(layer.plan);
  return result;
}

}  // namespace lowshot::network
