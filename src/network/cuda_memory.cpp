#include "network/cuda_memory.h"

#include <fmt/format.h>

#include "lowshot/error.h"

namespace lowshot::network {

void require(cudaError_t status, const std::string& doing) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // an error of a launch stays behind otherwise and hits the next call
  throw Error(ErrorKind::device, fmt::format("the GPU refused {}: {}", doing, cudaGetErrorString(status)), "",
              status == cudaErrorMemoryAllocation ? "use a smaller batch, or the CPU" : "use the CPU");
}

void use_device(int device) {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || device < 0 || device >= count) {
    cudaGetLastError();
    throw Error(ErrorKind::device, fmt::format("there is no CUDA device {} ({} found)", device, count), "",
                "see `lowshot info`, or use the CPU");
  }
  require(cudaSetDevice(device), "to be used");
}

}  // namespace lowshot::network
