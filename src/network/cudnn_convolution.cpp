#include "network/cudnn_convolution.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

#include "lowshot/error.h"
#include "network/cuda_kernels.h"

namespace lowshot::network {
namespace {

enum Tensor : std::int64_t { x_id = 1, w_id, bias_id, residual_id, y_id, first_virtual_id };

using Dims = std::array<std::int64_t, 4>;  // batch, channels, height, width, however they lie in memory

Descriptor tensor(const Cudnn& cudnn, std::int64_t id, const Dims& d, cudnnDataType_t type, bool is_virtual = false) {
  const std::vector<std::int64_t> dims(d.begin(), d.end());
  const std::vector<std::int64_t> channels_last{d[1] * d[2] * d[3], 1, d[1] * d[3], d[1]};
  Descriptor t(cudnn, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  t.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, id)
      .set(CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, type)
      .set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, std::int64_t{16})
      .set(CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, dims)
      .set(CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, channels_last)
      .set(CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, is_virtual);
  return std::move(t.finalize());
}

// The operations of a fused kernel, each reading what the one before wrote. They are kept until the graph is made.
class GraphBuilder {
 public:
  GraphBuilder(const Cudnn& cudnn, const ConvolutionShape& shape)
      : cudnn_(cudnn),
        out_{shape.batch, shape.out, shape.out_height(), shape.out_width()},
        stored_(shape.half ? CUDNN_DATA_HALF : CUDNN_DATA_FLOAT) {}

  void convolution(const ConvolutionShape& s, bool last) {
    const std::vector<std::int64_t> ones{1, 1}, strides{s.stride, s.stride}, pads{s.pad, s.pad};
    kept_.emplace_back(cudnn_, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    kept_.back()
        .set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT)
        .set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION)
        .set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, std::int64_t{2})
        .set(CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, ones)
        .set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, strides)
        .set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, pads)
        .set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, pads)
        .finalize();
    const std::size_t how = kept_.size() - 1;
    const Descriptor x = tensor(cudnn_, x_id, {s.batch, s.in, s.height, s.width}, stored_);
    const Descriptor w = tensor(cudnn_, w_id, {s.out, s.in, s.kernel_height, s.kernel_width}, stored_);
    Descriptor y = output(last);
    operations_.emplace_back(cudnn_, CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
    operations_.back()
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, kept_[how])
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, w)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_TYPE_FLOAT, 1.0F)
        .set(CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA, CUDNN_TYPE_FLOAT, 0.0F)
        .finalize();
    before_ = std::move(y);
  }

  void add_bias(bool last) {
    const Descriptor bias = tensor(cudnn_, bias_id, {1, out_[1], 1, 1}, CUDNN_DATA_FLOAT);
    pointwise(CUDNN_POINTWISE_ADD, &bias, last);
  }
  void add_residual() {
    const Descriptor residual = tensor(cudnn_, residual_id, out_, stored_);
    pointwise(CUDNN_POINTWISE_ADD, &residual, false);
  }
  void relu() { pointwise(CUDNN_POINTWISE_RELU_FWD, nullptr, true); }

  Descriptor graph() const {
    std::vector<cudnnBackendDescriptor_t> operations;
    for (const Descriptor& o : operations_) operations.push_back(o.get());
    Descriptor g(cudnn_, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    g.set(CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, cudnn_.handle())
        .set(CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, operations);
    return std::move(g.finalize());
  }

 private:
  Descriptor output(bool last) {
    return last ? tensor(cudnn_, y_id, out_, stored_) : tensor(cudnn_, next_id_++, out_, CUDNN_DATA_FLOAT, true);
  }

  void pointwise(cudnnPointwiseMode_t mode, const Descriptor* other, bool last) {
    kept_.emplace_back(cudnn_, CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    kept_.back()
        .set(CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, mode)
        .set(CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT)
        .finalize();
    Descriptor y = output(last);
    operations_.emplace_back(cudnn_, CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);
    Descriptor& o = operations_.back();
    o.set(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, kept_.back())
        .set(CUDNN_ATTR_OPERATION_POINTWISE_XDESC, *before_)
        .set(CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    if (other != nullptr) o.set(CUDNN_ATTR_OPERATION_POINTWISE_BDESC, *other);
    o.finalize();
    before_ = std::move(y);
  }

  const Cudnn& cudnn_;
  Dims out_;
  cudnnDataType_t stored_;
  std::int64_t next_id_ = first_virtual_id;
  std::vector<Descriptor> kept_, operations_;
  std::optional<Descriptor> before_;  // the tensor that the last operation wrote
};

// The residual before the bias: with the bias first cuDNN has slow kernels only for float32 (8 to 16 ms where this
// takes 0.4), and no better ones for float16.
Descriptor build_graph(const Cudnn& cudnn, const ConvolutionShape& shape, Fusion fusion) {
  GraphBuilder builder(cudnn, shape);
  const bool fused = fusion == Fusion::fused;
  builder.convolution(shape, !fused);
  if (fused) {
    if (shape.residual) builder.add_residual();
    builder.add_bias(!shape.relu);
    if (shape.relu) builder.relu();
  }
  return builder.graph();
}

// Engines that cuDNN proposes, with their settings. It answers with an error where it knows none.
std::vector<Descriptor> proposals(const Cudnn& cudnn, const Descriptor& graph, cudnnBackendHeurMode_t mode) {
  constexpr std::size_t most = 24;
  Descriptor heuristic(cudnn, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristic.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph)
      .set(CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, mode);
  std::vector<Descriptor> engines;
  if (heuristic.try_finalize() != CUDNN_STATUS_SUCCESS) return engines;
  std::vector<cudnnBackendDescriptor_t> raw;
  for (std::size_t i = 0; i < most; ++i) {
    engines.emplace_back(cudnn, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    raw.push_back(engines.back().get());
  }
  const std::size_t found =
      heuristic.get_values(CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, most, raw.data());
  engines.erase(engines.begin() + static_cast<std::ptrdiff_t>(found), engines.end());
  return engines;
}

Descriptor engine_of(const Cudnn& cudnn, const Descriptor& config) {
  Descriptor engine(cudnn, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t raw = engine.get();
  config.get_values(CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &raw);
  return engine;
}

bool is_acceptable(const Cudnn& cudnn, const Descriptor& config, bool half) {
  std::vector<cudnnBackendNumericalNote_t> refused{CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC,
                                                   CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION,
                                                   CUDNN_NUMERICAL_NOTE_FFT, CUDNN_NUMERICAL_NOTE_WINOGRAD};
  // Tensor cores round float32 factors to ten bits (TF32).
  if (!half)
    refused.insert(refused.end(), {CUDNN_NUMERICAL_NOTE_TENSOR_CORE, CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS});
  const auto notes =
      engine_of(cudnn, config)
          .values<cudnnBackendNumericalNote_t>(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                               CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  return std::none_of(notes.begin(), notes.end(), [&](cudnnBackendNumericalNote_t note) {
    return std::find(refused.begin(), refused.end(), note) != refused.end();
  });
}

}  // namespace

ConvolutionPlan::ConvolutionPlan(const Cudnn& cudnn, const ConvolutionShape& shape, Fusion fusion, Descriptor engine,
                                 Descriptor plan)
    : cudnn_(&cudnn), shape_(shape), fusion_(fusion), engine_(std::move(engine)), plan_(std::move(plan)) {
  const auto bytes = plan_.values<std::int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1);
  workspace_ = bytes.empty() ? 0 : static_cast<std::size_t>(bytes[0]);
}

std::string ConvolutionPlan::description() const {
  const auto index =
      engine_of(*cudnn_, engine_).values<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1);
  const ConvolutionShape& s = shape_;
  return fmt::format("{} x {} x {} to {}, kernel {} x {}, stride {}{}{}: engine {}, {}", s.height, s.width, s.in, s.out,
                     s.kernel_height, s.kernel_width, s.stride, s.residual ? ", residual" : "", s.relu ? ", ReLU" : "",
                     index.empty() ? -1 : index[0], fusion_ == Fusion::fused ? "fused" : "plain");
}

void ConvolutionPlan::run(const ConvolutionOperands& operands) const {
  std::vector<std::int64_t> ids{x_id, w_id, y_id};
  std::vector<const void*> pointers{operands.x, operands.w, operands.y};
  if (fusion_ == Fusion::fused) {
    ids.push_back(bias_id);
    pointers.push_back(operands.bias);
    if (shape_.residual) {
      ids.push_back(residual_id);
      pointers.push_back(operands.residual);
    }
  }
  Descriptor pack(*cudnn_, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, ids)
      .set(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, pointers)
      .set(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, operands.workspace)
      .finalize();
  cudnn_->require(cudnn_->calls().execute(cudnn_->handle(), plan_.get(), pack.get()), "a convolution");
  if (fusion_ == Fusion::plain) {
    const std::size_t pixels = std::size_t{shape_.batch} * shape_.out_height() * shape_.out_width();
    add_bias(operands.y, operands.bias, shape_.residual ? operands.residual : nullptr, shape_.relu, pixels, shape_.out,
             shape_.half, cudnn_->stream());
  }
}

void for_each_plan(const Cudnn& cudnn, const ConvolutionShape& shape, Fusion fusion,
                   const std::function<bool(ConvolutionPlan)>& visit) {
  const Descriptor graph = build_graph(cudnn, shape, fusion);
  for (const cudnnBackendHeurMode_t mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK})
    for (Descriptor& engine : proposals(cudnn, graph, mode)) {
      if (!is_acceptable(cudnn, engine, shape.half)) continue;
      Descriptor plan(cudnn, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
      plan.set(CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, cudnn.handle())
          .set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, engine);
      if (plan.try_finalize() != CUDNN_STATUS_SUCCESS) continue;  // a proposal is no promise
      if (!visit(ConvolutionPlan(cudnn, shape, fusion, std::move(engine), std::move(plan)))) return;
    }
}

namespace {

// For float16 every fused kernel beats a plain one and a pass of our own. For float32 without tensor cores cuDNN's
// plain kernels are the better ones, but for few channels, where that pass counts. ResNet-50's convolutions, 64 crops,
// float32, H100: fused 29.4 ms, plain 28.1, this order 26.1, best of all plans 24.5; the whole network in PyTorch,
// which chooses by the clock, 24.2.
std::array<Fusion, 2> order_of_fusions(const ConvolutionShape& shape) {
  constexpr std::uint32_t few_channels = 64;
  if (shape.half || shape.in <= few_channels) return {Fusion::fused, Fusion::plain};
  return {Fusion::plain, Fusion::fused};
}

}  // namespace

ConvolutionPlan choose_plan(const Cudnn& cudnn, const ConvolutionShape& shape) {
  std::optional<ConvolutionPlan> chosen;
  for (const Fusion fusion : order_of_fusions(shape)) {
    for_each_plan(cudnn, shape, fusion, [&](ConvolutionPlan plan) {
      chosen.emplace(std::move(plan));
      return false;
    });
    if (chosen) return std::move(*chosen);
  }
  throw Error(ErrorKind::device,
              fmt::format("cuDNN {} has no convolution of {} x {} x {} to {} channels for this GPU", cudnn.version(),
                          shape.height, shape.width, shape.in, shape.out),
              "", "install a newer cuDNN 9, or use the CPU");
}

}  // namespace lowshot::network
