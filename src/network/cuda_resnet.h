#pragma once
// A ResNet in the memory of one CUDA device: bytes of crops there in, descriptors there out.

#include <cuda_runtime_api.h>

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lowshot/network.h"
#include "network/cuda_kernels.h"
#include "network/cuda_memory.h"
#include "network/cudnn_convolution.h"

namespace lowshot::network {

/// A fixed number of crops a pass. Not thread-safe; belongs to the device that was current when it was made.
/// The same crop gives the same bits whatever its place and neighbours, on the same GPU with the same cuDNN.
class CudaResNet {
 public:
  /// Throws Error (device): no cuDNN, no memory, a convolution that cuDNN does not have.
  CudaResNet(const ResNet& model, const Normalisation& normalisation, std::uint32_t crop, std::uint32_t crops,
             bool half);
  ~CudaResNet();
  CudaResNet(const CudaResNet&) = delete;
  CudaResNet& operator=(const CudaResNet&) = delete;

  /// `bytes`: device memory, crops x (3 crop crop). Goes to the stream and returns before it is done.
  void forward(const std::uint8_t* bytes);
  const float* descriptors() const { return descriptors_.data(); }  ///< device memory, crops x dim, after forward
  const Stream& stream() const { return stream_; }
  std::string cudnn_version() const { return cudnn_.version(); }
  std::vector<const ConvolutionPlan*> plans() const;  ///< one a convolution

  /// Crops a pass for this network where the caller has no wish of his own.
  static std::uint32_t good_pass(const ResNet& model, std::uint32_t crop);

 private:
  struct Layer {
    const ConvolutionPlan* plan;
    DeviceArray<std::byte> weights;
    DeviceArray<float> bias;
    const void *x, *residual;
    void* y;
  };

  void add_layer(const std::vector<float>& weights, const std::vector<float>& bias, const ConvolutionShape& shape,
                 const void* x, const void* residual, void* y);
  void add_block(const Block& block, std::uint32_t& side);
  void launch_layers();
  void capture();

  Normalisation normalisation_;
  std::uint32_t crops_, dim_;
  bool half_;
  StemInput input_;
  std::uint32_t stem_channels_ = 0, last_side_ = 0;
  Stream stream_;
  Cudnn cudnn_;
  std::map<ConvolutionShape, ConvolutionPlan> plans_;  // shapes recur: a plan takes up to seconds to compile
  std::vector<Layer> layers_;                          // the stem first
  // Activations: a block's input and output, two between its convolutions, and its shortcut's.
  DeviceArray<std::byte> input_map_, output_map_, between_[2], shortcut_, workspace_;
  void* pooled_ = nullptr;  // the max pool's output, the first block's input
  DeviceArray<float> descriptors_;
  cudaGraphExec_t graph_ = nullptr;
};

}  // namespace lowshot::network
