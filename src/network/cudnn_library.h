#pragma once
// cuDNN 9, loaded when a network is made: a program built with it starts on machines that have neither a GPU nor cuDNN.
// Its graph interface is used as the C library offers it, through descriptors that hold attributes. NVIDIA's C++ layer
// over the same calls (cudnn-frontend) lost: 50,000 lines of headers that take minutes to compile, and where cuDNN is
// loaded at run time it also loads a second, shared CUDA runtime and prints to the standard error.

#include <cudnn_graph.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "network/cuda_memory.h"

namespace lowshot::network {

/// The calls that are used, found by name in libcudnn.so.9.
struct CudnnCalls {
  decltype(&cudnnGetVersion) version;
  decltype(&cudnnGetErrorString) error_string;
  decltype(&cudnnGetLastErrorString) last_error;
  decltype(&cudnnCreate) create;
  decltype(&cudnnDestroy) destroy;
  decltype(&cudnnSetStream) set_stream;
  decltype(&cudnnBackendCreateDescriptor) create_descriptor;
  decltype(&cudnnBackendDestroyDescriptor) destroy_descriptor;
  decltype(&cudnnBackendFinalize) finalize;
  decltype(&cudnnBackendSetAttribute) set_attribute;
  decltype(&cudnnBackendGetAttribute) get_attribute;
  decltype(&cudnnBackendExecute) execute;
};

/// The library and a handle of it whose work goes to `stream`. Throws Error (device) where there is no cuDNN 9.
class Cudnn {
 public:
  explicit Cudnn(const Stream& stream);
  ~Cudnn();
  Cudnn(const Cudnn&) = delete;
  Cudnn& operator=(const Cudnn&) = delete;

  const CudnnCalls& calls() const { return calls_; }
  cudnnHandle_t handle() const { return handle_; }
  cudaStream_t stream() const { return stream_; }
  std::string version() const;  ///< "9.14.0"
  /// Throws Error (device): "cuDNN refused `doing`: ...".
  void require(cudnnStatus_t status, const std::string& doing) const;

 private:
  CudnnCalls calls_{};
  cudnnHandle_t handle_ = nullptr;
  cudaStream_t stream_ = nullptr;
};

/// One object of cuDNN's graph interface. It must not outlive the Cudnn.
class Descriptor {
 public:
  Descriptor(const Cudnn& cudnn, cudnnBackendDescriptorType_t type);
  ~Descriptor();
  Descriptor(Descriptor&& other) noexcept
      : cudnn_(other.cudnn_), descriptor_(std::exchange(other.descriptor_, nullptr)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    std::swap(cudnn_, other.cudnn_);
    std::swap(descriptor_, other.descriptor_);
    return *this;
  }

  cudnnBackendDescriptor_t get() const { return descriptor_; }
  template <typename T>
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const T& value) {
    return set_values(name, type, 1, &value);
  }
  template <typename T>
  Descriptor& set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, const std::vector<T>& values) {
    return set_values(name, type, static_cast<std::int64_t>(values.size()), values.data());
  }
  Descriptor& set(cudnnBackendAttributeName_t name, const Descriptor& other) {
    return set(name, CUDNN_TYPE_BACKEND_DESCRIPTOR, other.get());
  }
  Descriptor& finalize();                 ///< throws Error
  cudnnStatus_t try_finalize() noexcept;  ///< for what cuDNN may not support

  /// Up to `most` values of an attribute.
  template <typename T>
  std::vector<T> values(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::size_t most) const {
    std::vector<T> result(most);
    result.resize(get_values(name, type, most, result.data()));
    return result;
  }
  /// Descriptors come back filled into `into`; returns how many.
  std::size_t get_values(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::size_t most,
                         void* into) const;

 private:
  Descriptor& set_values(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, std::int64_t count,
                         const void* values);

  const Cudnn* cudnn_;
  cudnnBackendDescriptor_t descriptor_ = nullptr;
};

}  // namespace lowshot::network
