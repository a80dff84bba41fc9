// ResNets on a CUDA device. A batch goes through the device in passes: while one is computed, the bytes of the next are
// copied.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

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
        resnet_(model, normalisation, crop, pass_, half),
        descriptors_(std::size_t{batch_} * dim_) {
    for (Slot& slot : slots_) {
      slot.page_locked = PinnedArray<std::uint8_t>(pass_ * row_);
      slot.on_device = DeviceArray<std::uint8_t>(pass_ * row_);
      require(cudaMemset(slot.on_device.data(), 0, pass_ * row_), "to clear its memory");
    }
    description_ = fmt::format("{} on {} (cuDNN {}), {}", model.name, device_name(device), resnet_.cudnn_version(),
                               half ? "float16" : "float32");
    for (const std::string& line : resnet_.plans()) context.detail(line);
  }
  ~CudaNetwork() override { cudaDeviceSynchronize(); }

  std::uint32_t dim() const override { return dim_; }
  std::uint32_t batch() const override { return batch_; }
  std::uint32_t crop() const override { return crop_; }
  std::string description() const override { return description_; }

  void run(MatrixView<const std::uint8_t> crops, MatrixView<float> out) override {
    if (crops.rows() > batch_ || crops.cols() != row_ || out.rows() != crops.rows() || out.cols() != dim_)
      throw Error(ErrorKind::usage,
                  fmt::format("{} crops of {} bytes for {} descriptors of {} values; the network "
                              "takes up to {} of {} bytes and gives {} values",
                              crops.rows(), crops.cols(), out.rows(), out.cols(), batch_, row_, dim_));
    use_device(device_);
    std::size_t pass = 0;
    for (std::size_t first = 0; first < crops.rows(); first += pass_, ++pass) {
      const std::size_t count = std::min<std::size_t>(pass_, crops.rows() - first);
      Slot& slot = slots_[pass % slots_.size()];
      upload(slot, crops.rows(first, first + count));
      // A pass that is not full computes what its other places last held, and drops it.
      resnet_.forward(slot.on_device.data());
      slot.computed.record(resnet_.stream());
      require(cudaMemcpyAsync(descriptors_.data() + first * dim_, resnet_.descriptors(), count * dim_ * sizeof(float),
                              cudaMemcpyDeviceToHost, resnet_.stream().get()),
              "a copy from its memory");
    }
    resnet_.stream().wait();
    if (out.size() != 0) std::memcpy(out.data(), descriptors_.data(), out.size() * sizeof(float));
  }

 private:
  struct Slot {
    PinnedArray<std::uint8_t> page_locked;
    DeviceArray<std::uint8_t> on_device;
    Event copied, computed;
  };

  void upload(Slot& slot, MatrixView<const std::uint8_t> crops) {
    slot.copied.wait();  // the pass before the last one in this slot has left page-locked memory
    std::memcpy(slot.page_locked.data(), crops.data(), crops.size());
    slot.computed.hold(copies_);
    require(cudaMemcpyAsync(slot.on_device.data(), slot.page_locked.data(), crops.size(), cudaMemcpyHostToDevice,
                            copies_.get()),
            "a copy to its memory");
    slot.copied.record(copies_);
    slot.copied.hold(resnet_.stream());
  }

  int device_;
  std::uint32_t dim_, crop_;
  std::size_t row_;  // bytes of a crop
  std::uint32_t pass_, batch_;
  CudaResNet resnet_;
  Stream copies_;
  std::array<Slot, 2> slots_;
  PinnedArray<float> descriptors_;
  std::string description_;
};

}  // namespace

std::unique_ptr<Network> make_cuda_network(Context& context, const ResNet& model, const Normalisation& normalisation,
                                           std::uint32_t crop, int device, bool half, std::uint32_t batch) {
  use_device(device);
  return std::make_unique<CudaNetwork>(context, model, normalisation, crop, device, half, batch);
}

}  // namespace lowshot
