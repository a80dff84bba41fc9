// ResNets on a CUDA device. A batch goes through the device in passes: while one is computed, the bytes of the next are
// copied.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <set>
#include <utility>

#include "lowshot/error.h"
#include "network/cuda_resnet.h"

namespace lowshot {
namespace {

using namespace network;

// Passes of a batch whose size the caller leaves open: only the first pass's copy and the last one's descriptors are
// not hidden behind computation.
constexpr std::uint32_t passes = 4;

std::string device_name(int device) {
  cudaDeviceProp properties{};
  require(cudaGetDeviceProperties(&properties, device), "to name itself");
  return properties.name;
}

class CudaNetwork final : public Network {
 public:
  CudaNetwork(Context& context, const ResNet& model, const Normalisation& normalisation, std::uint32_t crop, int device,
              bool half, std::uint32_t batch)
      : device_(device),
        dim_(model.dim()),
        crop_(crop),
        row_(std::size_t{3} * crop * crop),
        pass_(std::min(batch == 0 ? UINT32_MAX : batch, CudaResNet::good_pass(model, crop))),
        batch_(batch == 0 ? passes * pass_ : batch),
        resnet_(model, normalisation, crop, pass_, half) {
    for (Slot& slot : slots_) {
      slot.page_locked = PinnedArray<std::uint8_t>(pass_ * row_);
      slot.on_device = DeviceArray<std::uint8_t>(pass_ * row_);
      slot.descriptors = PinnedArray<float>(std::size_t{pass_} * dim_);
      require(cudaMemset(slot.on_device.data(), 0, pass_ * row_), "to clear its memory");
    }
    require(cudaStreamSynchronize(nullptr), "to clear its memory");  // our streams do not wait for the one it is in
    // All that the bits depend on: cuDNN's choice of kernels follows from the card, the version and the shapes.
    description_ = fmt::format("{} on {}, {} (cuDNN {}, {} crops a pass)", model.name, device_name(device),
                               half ? "float16" : "float32", resnet_.cudnn_version(), pass_);
    std::set<std::string> lines;
    for (const ConvolutionPlan* plan : resnet_.plans()) lines.insert(plan->description());
    for (const std::string& line : lines) context.detail(line);
  }
  ~CudaNetwork() override { cudaDeviceSynchronize(); }

  std::uint32_t dim() const override { return dim_; }
  std::uint32_t batch() const override { return batch_; }
  std::uint32_t crop() const override { return crop_; }
  std::string description() const override { return description_; }
  std::uint64_t memory() const override { return slots_.size() * pass_ * (row_ + dim_ * sizeof(float)); }

  void run(MatrixView<const std::uint8_t> crops, MatrixView<float> out) override {
    if (crops.rows() > batch_ || crops.cols() != row_ || out.rows() != crops.rows() || out.cols() != dim_)
      throw Error(ErrorKind::usage,
                  fmt::format("{} crops of {} bytes for {} descriptors of {} values; the network "
                              "takes up to {} of {} bytes and gives {} values",
                              crops.rows(), crops.cols(), out.rows(), out.cols(), batch_, row_, dim_));
    use_device(device_);
    std::size_t pass = 0;
    for (std::size_t first = 0; first < crops.rows(); first += pass_, ++pass) {
      const std::size_t end = std::min<std::size_t>(first + pass_, crops.rows());
      Slot& slot = slots_[pass % slots_.size()];
      finish(slot);
      begin(slot, crops.rows(first, end), out.rows(first, end));
    }
    for (std::size_t i = 0; i < slots_.size(); ++i) finish(slots_[(pass + i) % slots_.size()]);
  }

 private:
  // A pass under way.
  struct Slot {
    PinnedArray<std::uint8_t> page_locked;
    DeviceArray<std::uint8_t> on_device;
    PinnedArray<float> descriptors;
    Event copied, computed;
    MatrixView<float> out;  // where its descriptors go; empty: no pass
  };

  // A pass that is not full computes what its other places last held, and drops it.
  void begin(Slot& slot, MatrixView<const std::uint8_t> crops, MatrixView<float> out) {
    std::memcpy(slot.page_locked.data(), crops.data(), crops.size());
    require(cudaMemcpyAsync(slot.on_device.data(), slot.page_locked.data(), crops.size(), cudaMemcpyHostToDevice,
                            copies_.get()),
            "a copy to its memory");
    slot.copied.record(copies_);
    slot.copied.hold(resnet_.stream());
    resnet_.forward(slot.on_device.data());
    require(cudaMemcpyAsync(slot.descriptors.data(), resnet_.descriptors(), out.size() * sizeof(float),
                            cudaMemcpyDeviceToHost, resnet_.stream().get()),
            "a copy from its memory");
    slot.computed.record(resnet_.stream());
    slot.out = out;
  }

  void finish(Slot& slot) {
    if (slot.out.size() == 0) return;
    const MatrixView<float> out = std::exchange(slot.out, {});
    slot.computed.wait();
    std::memcpy(out.data(), slot.descriptors.data(), out.size() * sizeof(float));
  }

  int device_;
  std::uint32_t dim_, crop_;
  std::size_t row_;  // bytes of a crop
  std::uint32_t pass_, batch_;
  CudaResNet resnet_;
  Stream copies_;
  // One computes, one waits with its bytes copied, one is being filled.
  std::array<Slot, 3> slots_;
  std::string description_;
};

}  // namespace

bool has_cuda_networks() {
  return true;
}

std::unique_ptr<Network> make_cuda_network(Context& context, const ResNet& model, const Normalisation& normalisation,
                                           std::uint32_t crop, int device, bool half, std::uint32_t batch) {
  constexpr std::uint32_t largest_crop = 1 << 15;  // products of sizes stay far from overflow
  if (crop == 0 || crop > largest_crop)
    throw Error(ErrorKind::usage,
                fmt::format("crops of {0} x {0} pixels; the GPU's network takes 1 to {1}", crop, largest_crop));
  use_device(device);
  return std::make_unique<CudaNetwork>(context, model, normalisation, crop, device, half, batch);
}

}  // namespace lowshot
