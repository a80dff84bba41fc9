#include "network/cudnn_library.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "lowshot/error.h"

namespace lowshot::network {
namespace {

constexpr const char* library_name = "libcudnn.so.9";

// Loaded once and never unloaded: cuDNN keeps threads and device code of its own.
void* library() {
  void* found = dlopen(library_name, RTLD_NOW | RTLD_LOCAL);
  if (found != nullptr) return found;
  const char* why = dlerror();
  throw Error(ErrorKind::device, fmt::format("cuDNN 9 is needed on the GPU and cannot be loaded: {}", why), "",
              fmt::format("install cuDNN 9, or name the folder that holds {} in LD_LIBRARY_PATH, or use the CPU",
                          library_name));
}

template <typename F>
void find(void* from, const char* name, F& call) {
  call = reinterpret_cast<F>(dlsym(from, name));
  if (call == nullptr)
    throw Error(ErrorKind::device, fmt::format("{} has no {}", library_name, name), "",
                "install a newer cuDNN 9, or use the CPU");
}

}  // namespace

Cudnn::Cudnn(const Stream& stream) : stream_(stream.get()) {
  void* const from = library();
  find(from, "cudnnGetVersion", calls_.version);
  find(from, "cudnnGetErrorString", calls_.error_string);
  find(from, "cudnnGetLastErrorString", calls_.last_error);
  find(from, "cudnnCreate", calls_.create);
  find(from, "cudnnDestroy", calls_.destroy);
  find(from, "cudnnSetStream", calls_.set_stream);
  find(from, "cudnnBackendCreateDescriptor", calls_.create_descriptor);
  find(from, "cudnnBackendDestroyDescriptor", calls_.destroy_descriptor);
  find(from, "cudnnBackendFinalize", calls_.finalize);
  find(from, "cudnnBackendSetAttribute", calls_.set_attribute);
  find(from, "cudnnBackendGetAttribute", calls_.get_attribute);
  find(from, "cudnnBackendExecute", calls_.execute);
  require(calls_.create(&handle_), "to start");
  try {
    require(calls_.set_stream(handle_, stream_), "a stream");
  } catch (...) {
    calls_.destroy(handle_);
    throw;
  }
}

Cudnn::~Cudnn() {
  calls_.destroy(handle_);
}

std::string Cudnn::version() const {
  const std::size_t v = calls_.version();
  return fmt::format("{}.{}.{}", v / 10000, v / 100 % 100, v % 100);
}

void Cudnn::require(cudnnStatus_t status, const std::string& doing) const {
  if (status == CUDNN_STATUS_SUCCESS) return;
  std::array<char, 512> detail{};
  calls_.last_error(detail.data(), detail.size() - 1);
  const bool memory = status == CUDNN_STATUS_ALLOC_FAILED;
  throw Error(ErrorKind::device,
              fmt::format("cuDNN refused {}: {}{}{}", doing, calls_.error_string(status), detail[0] == 0 ? "" : ", ",
                          detail.data()),
              "", memory ? "use a smaller batch, or the CPU" : "use the CPU");
}

Descriptor::Descriptor(const Cudnn& cudnn, cudnnBackendDescriptorType_t type) : cudnn_(&cudnn) {
  cudnn.require(cudnn.calls().create_descriptor(type, &descriptor_), "a descriptor");
}

Descriptor::~Descriptor() {
  if (descriptor_ != nullptr) cudnn_->calls().destroy_descriptor(descriptor_);
}

Descriptor& Descriptor::set_values(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type,
                                   std::int64_t count, const void* values) {
  cudnn_->require(cudnn_->calls().set_attribute(descriptor_, name, type, count, values),
                  fmt::format("attribute {} of a descriptor", static_cast<int>(name)));
  return *this;
}

Descriptor& Descriptor::finalize() {
  cudnn_->require(try_finalize(), "a descriptor");
  return *this;
}

cudnnStatus_t Descriptor::try_finalize() noexcept {
  return cudnn_->calls().finalize(descriptor_);
}

std::size_t Descriptor::get_values(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::size_t most,
                                   void* into) const {
  std::int64_t count = 0;
  cudnn_->require(cudnn_->calls().get_attribute(descriptor_, name, type, static_cast<std::int64_t>(most), &count, into),
                  fmt::format("to tell attribute {} of a descriptor", static_cast<int>(name)));
  return std::min(most, static_cast<std::size_t>(count));
}

}  // namespace lowshot::network
