#pragma once
// Memory, streams and events of a CUDA device as owners; every refusal is an Error (device).

#include <cuda_runtime_api.h>

#include <cstddef>
#include <string>
#include <utility>

namespace lowshot::network {

/// Throws Error (device): "the GPU refused `doing`: ...", with advice when memory ran out.
void require(cudaError_t status, const std::string& doing);

/// Makes `device` the thread's current one. Error (device) where there is none of this number.
void use_device(int device);

/// `count` values of device memory; moves, does not copy.
template <typename T>
class DeviceArray {
 public:
  DeviceArray() = default;
  explicit DeviceArray(std::size_t count) {
    if (count != 0)
      require(cudaMalloc(reinterpret_cast<void**>(&data_), count * sizeof(T)),
              std::to_string(count * sizeof(T)) + " bytes of memory");
  }
  DeviceArray(const T* from, std::size_t count) : DeviceArray(count) {
    if (count == 0) return;
    require(cudaMemcpy(data_, from, count * sizeof(T), cudaMemcpyHostToDevice), "a copy to its memory");
    // The copy may still be under way, and our streams do not wait for the one that it is in.
    require(cudaStreamSynchronize(nullptr), "a copy to its memory");
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(DeviceArray&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  DeviceArray& operator=(DeviceArray&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  T* data() const { return data_; }

 private:
  T* data_ = nullptr;
};

/// `count` values of page-locked host memory, which the device copies while the processor goes on.
template <typename T>
class PinnedArray {
 public:
  PinnedArray() = default;
  explicit PinnedArray(std::size_t count) {
    if (count != 0)
      require(cudaMallocHost(reinterpret_cast<void**>(&data_), count * sizeof(T)),
              std::to_string(count * sizeof(T)) + " bytes of page-locked memory");
  }
  ~PinnedArray() { cudaFreeHost(data_); }
  PinnedArray(PinnedArray&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  PinnedArray& operator=(PinnedArray&& other) noexcept {
    std::swap(data_, other.data_);
    return *this;
  }
  T* data() const { return data_; }

 private:
  T* data_ = nullptr;
};

class Stream {
 public:
  Stream() { require(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "a stream"); }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }
  void wait() const { require(cudaStreamSynchronize(stream_), "the network's work"); }

 private:
  cudaStream_t stream_ = nullptr;
};

class Event {
 public:
  Event() { require(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming), "an event"); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  void record(const Stream& stream) { require(cudaEventRecord(event_, stream.get()), "an event"); }
  void wait() const { require(cudaEventSynchronize(event_), "the network's work"); }  ///< the processor waits
  void hold(const Stream& stream) const { require(cudaStreamWaitEvent(stream.get(), event_, 0), "an event"); }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace lowshot::network
