#pragma once
// y <- relu(conv(x, w) + bias + residual) through cuDNN, as one kernel where it has one. All tensors channels last.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "network/cudnn_library.h"

namespace lowshot::network {

struct ConvolutionShape {
  std::uint32_t batch = 0, height = 0, width = 0;  // of the input
  std::uint32_t in = 0, out = 0, kernel_height = 1, kernel_width = 1, stride = 1, pad = 0;
  bool residual = false, relu = false;
  bool half = false;  // of x, w, residual and y; sums and bias are float32

  std::uint32_t out_height() const { return (height + 2 * pad - kernel_height) / stride + 1; }
  std::uint32_t out_width() const { return (width + 2 * pad - kernel_width) / stride + 1; }
  auto operator<=>(const ConvolutionShape&) const = default;
};

/// Device memory. `residual` may be null where the shape has none; y overlaps no other.
struct ConvolutionOperands {
  const void* x;         // batch x height x width x in
  const void* w;         // out x kernel_height x kernel_width x in
  const float* bias;     // out
  const void* residual;  // like y
  void* y;               // batch x out_height x out_width x out
  void* workspace;
};

/// Whether cuDNN adds residual and bias inside the convolution's kernel, or a kernel of our own does (cuda_kernels.h).
enum class Fusion { fused, plain };

/// One way of cuDNN's to compute a shape. Must not outlive the Cudnn.
class ConvolutionPlan {
 public:
  ConvolutionPlan(const Cudnn& cudnn, const ConvolutionShape& shape, Fusion fusion, Descriptor engine, Descriptor plan);
  const ConvolutionShape& shape() const { return shape_; }
  Fusion fusion() const { return fusion_; }
  std::size_t workspace() const { return workspace_; }  ///< bytes
  std::string description() const;                      ///< "56 x 56 x 64 to 256, ...: engine 4, fused"
  /// Returns before it is done.
  void run(const ConvolutionOperands& operands) const;

 private:
  const Cudnn* cudnn_;
  ConvolutionShape shape_;
  Fusion fusion_;
  Descriptor engine_, plan_;
  std::size_t workspace_ = 0;
};

/// The plans that cuDNN supports on this device for one fusion, its best guess first, until `visit` returns false.
/// Only engines that give the same bits every time, sum in float32, and for float32 multiply in float32, too.
void for_each_plan(const Cudnn& cudnn, const ConvolutionShape& shape, Fusion fusion,
                   const std::function<bool(ConvolutionPlan)>& visit);

/// The first plan of the first fusion that has one, in an order that was measured. Nothing is timed here: a choice by
/// the clock could differ from run to run, and with it the last bits of a resumed job. On an H100 timing all plans of
/// all shapes would gain 8 % (ResNet-50, float16, 128 crops). Throws Error (device) where there is none at all.
ConvolutionPlan choose_plan(const Cudnn& cudnn, const ConvolutionShape& shape);

}  // namespace lowshot::network
