// ONNX models on the CPU through OpenVINO, float32.
//
// The library gets as many streams as there are threads, one thread each, and a stream runs one group of images at a
// time: a single image, but for models that are made for a certain number. So an image is computed the same way
// whatever its neighbours and the number of threads, and no layer ends in a barrier. It costs nothing: one core of a
// Zen 5 made 28.0 / 28.4 / 28.3 images/s of a ResNet-50 in groups of 1 / 4 / 8, and 24.4 / 25.1 / 24.6 of a ViT-S/16.
// The library's threads are its own (TBB); the calling thread, which opens the OpenMP regions elsewhere, only fills
// inputs and waits here.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <openvino/openvino.hpp>
#include <utility>

#include "lowshot/error.h"
#include "lowshot/network.h"
#include "network/input_values.h"
#include "network/onnx_model.h"
#include "network/pool_output.h"

namespace lowshot {
namespace {

using onnx_detail::OnnxModel;
using onnx_detail::plain_message;

// Groups under way for each stream: one that runs and some that wait, so that a stream that a busy core holds up does
// not keep the others waiting: they are finished in the order of their start.
constexpr std::size_t groups_a_stream = 3;

// Images of a batch for each thread.
constexpr std::uint32_t images_a_thread = 16;

std::string pooling_name(const PooledOutput& output) {
  if (output.pooling == Pooling::average) return "average";
  if (output.pooling == Pooling::maximum) return "maximum";
  return output.pooling == Pooling::class_token ? "class token" : "not pooled";
}

// The library chooses its kernels by it, and the bits of a descriptor depend on those.
const char* instructions() {
  return __builtin_cpu_supports("avx512f") != 0 ? "AVX-512" : "AVX2";
}

class OnnxNetwork final : public Network {
 public:
  OnnxNetwork(Context& context, const OnnxModel& model, const PooledOutput& output, const Normalisation& normalisation,
              std::uint32_t crop, std::uint32_t batch)
      : input_(normalisation), output_(output), crop_(crop), group_(model.group) {
    const int threads = context.thread_count();
    // Nothing of what would make results depend on more than the model: lower precision, quantisation on the fly. No
    // pinning: decoding threads run beside.
    const ov::AnyMap properties{ov::hint::inference_precision(ov::element::f32),
                                ov::hint::execution_mode(ov::hint::ExecutionMode::ACCURACY),
                                ov::hint::dynamic_quantization_group_size(0),
                                ov::num_streams(ov::streams::Num(threads)),
                                ov::inference_num_threads(threads),
                                ov::hint::enable_cpu_pinning(false),
                                ov::hint::enable_hyper_threading(true),
                                ov::hint::scheduling_core_type(ov::hint::SchedulingCoreType::ANY_CORE)};
    compiled_ = core_.compile_model(model.model, "CPU", properties);
    const auto streams = static_cast<std::size_t>(compiled_.get_property(ov::num_streams).num);
    for (std::size_t i = 0; i < streams * groups_a_stream; ++i) {
      requests_.push_back(compiled_.create_infer_request());
      ov::Tensor input = requests_.back().get_input_tensor();
      std::memset(input.data(), 0, input.get_byte_size());  // the places of a last group that stay empty
    }
    const auto whole = static_cast<std::uint32_t>(group_);
    batch_ = batch != 0 ? batch : std::max(1U, static_cast<std::uint32_t>(threads) * images_a_thread / whole) * whole;
    const std::uint64_t ends = group_ * (crop_values() * 3 + output_.size()) * sizeof(float);
    // The library keeps the weights as they come and in the layouts of its kernels.
    memory_ = 2 * model.weight_bytes + streams * model.activation_bytes + requests_.size() * ends;
    description_ = fmt::format("an ONNX model on the CPU, float32 ({}, {}, output '{}' of {}, {}, constants {})",
                               onnx_library(), instructions(), model.output, fmt::join(model.shape, " x "),
                               pooling_name(output_), model.weights_hash);
  }

  std::uint32_t dim() const override { return static_cast<std::uint32_t>(output_.channels); }
  std::uint32_t batch() const override { return batch_; }
  std::uint32_t crop() const override { return crop_; }
  std::uint64_t memory() const override { return memory_; }
  std::string description() const override { return description_; }

  void run(MatrixView<const std::uint8_t> crops, MatrixView<float> out) override {
    const std::size_t groups = (crops.rows() + group_ - 1) / group_;
    std::size_t started = 0, finished = 0;
    try {
      while (finished < groups) {
        for (; started < groups && started - finished < requests_.size(); ++started) start(started, crops);
        finish(finished, out);
        ++finished;
      }
    } catch (const std::exception& e) {
      for (std::size_t g = finished; g < started; ++g) abandon(requests_[g % requests_.size()]);
      if (dynamic_cast<const std::bad_alloc*>(&e) != nullptr) throw;
      throw Error(ErrorKind::resources, fmt::format("OpenVINO cannot run the model: {}", plain_message(e)), "",
                  "use fewer --threads");
    }
  }

 private:
  std::size_t crop_values() const { return std::size_t{crop_} * crop_; }

  void start(std::size_t g, MatrixView<const std::uint8_t> crops) {
    ov::InferRequest& request = requests_[g % requests_.size()];
    auto* values = request.get_input_tensor().data<float>();
    const std::size_t begin = g * group_, end = std::min(crops.rows(), begin + group_);
    for (std::size_t i = begin; i < end; ++i, values += 3 * crop_values())
      input_.planes(crops.row(i), crop_values(), values);
    request.start_async();
  }

  void finish(std::size_t g, MatrixView<float> out) {
    ov::InferRequest& request = requests_[g % requests_.size()];
    request.wait();
    const auto* values = request.get_output_tensor().data<float>();
    const std::size_t begin = g * group_, end = std::min(out.rows(), begin + group_);
    for (std::size_t i = begin; i < end; ++i, values += output_.size()) output_.pool(values, out.row(i));
  }

  // After a failure: nothing may run on when the network goes.
  static void abandon(ov::InferRequest& request) {
    try {
      request.wait();
    } catch (const std::exception&) {
    }
  }

  ov::Core core_;
  ov::CompiledModel compiled_;
  std::vector<ov::InferRequest> requests_;
  InputValues input_;
  PooledOutput output_;
  std::uint32_t crop_, batch_ = 0;
  std::size_t group_;
  std::uint64_t memory_ = 0;
  std::string description_;
};

}  // namespace

bool has_onnx() {
  return true;
}

std::string onnx_library() {
  const std::string version = ov::get_openvino_version().buildNumber;  // "2026.4.1-22982-..."
  return "OpenVINO " + version.substr(0, version.find('-'));
}

std::unique_ptr<Network> make_onnx_network(Context& context, const std::filesystem::path& model,
                                           const OnnxOptions& options, const Normalisation& normalisation,
                                           std::uint32_t crop, std::uint32_t batch) {
  try {
    const OnnxModel read = onnx_detail::read_onnx(model, options.output, crop);
    const PooledOutput output =
        pooled_output(read.shape, options.pooling, fmt::format("{}, output '{}'", model.string(), read.output));
    return std::make_unique<OnnxNetwork>(context, read, output, normalisation, crop, batch);
  } catch (const Error&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& e) {
    throw Error(ErrorKind::input, fmt::format("OpenVINO cannot build the model: {}", plain_message(e)), model.string(),
                "export it again, with another version of ONNX's operators");
  }
}

}  // namespace lowshot
