#include "lowshot/device.h"

#include <fmt/format.h>
#include <hdf5.h>
#include <omp.h>
#include <Eigen/Core>

#include <fstream>

#include "lowshot/context.h"

#ifdef LOWSHOT_WITH_CUDA
#include <cuda_runtime_api.h>
#endif

namespace lowshot {
namespace {

std::string compiler() {
#ifdef __clang__
  return fmt::format("clang {}.{}.{}", __clang_major__, __clang_minor__, __clang_patchlevel__);
#else
  return fmt::format("g++ {}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
#endif
}

std::string hdf5_version() {
  unsigned major = 0, minor = 0, release = 0;
  if (H5get_libversion(&major, &minor, &release) < 0) return "unknown";
  return fmt::format("{}.{}.{}", major, minor, release);
}

}  // namespace

BuildInfo build_info() {
  BuildInfo info;
  info.version = LOWSHOT_VERSION;
  info.compiler = compiler();
  info.hdf5 = hdf5_version();
  info.eigen = fmt::format("{}.{}.{}", EIGEN_WORLD_VERSION, EIGEN_MAJOR_VERSION, EIGEN_MINOR_VERSION);
#ifdef LOWSHOT_WITH_CUDA
  info.cuda = true;
  info.cuda_version = fmt::format("{}.{}", CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
  info.cuda_architectures = LOWSHOT_CUDA_ARCHITECTURES;
#endif
  return info;
}

Processor processor() {
  Processor result;
  result.cores = omp_get_num_procs();
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.rfind("model name", 0) == 0 && line.find(": ") != std::string::npos) {
      result.model = line.substr(line.find(": ") + 2);
      break;
    }
  // __builtin_cpu_supports takes literals only.
  const auto add = [&](const char* name, int supported) {
    if (supported != 0) result.instruction_sets.push_back(name);
  };
  add("avx2", __builtin_cpu_supports("avx2"));
  add("fma", __builtin_cpu_supports("fma"));
  add("avx512f", __builtin_cpu_supports("avx512f"));
  add("avx512bw", __builtin_cpu_supports("avx512bw"));
  add("avx512vnni", __builtin_cpu_supports("avx512vnni"));
  add("amx", best_isa() == Isa::amx);
  return result;
}

std::vector<Device> list_devices() {
  std::vector<Device> devices;
#ifdef LOWSHOT_WITH_CUDA
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) return devices;
  for (int i = 0; i < count; ++i) {
    cudaDeviceProp properties{};
    if (cudaGetDeviceProperties(&properties, i) != cudaSuccess) continue;
    Device device{i, properties.name, properties.major, properties.minor, properties.totalGlobalMem, 0};
    std::size_t free = 0, total = 0;
    if (cudaSetDevice(i) == cudaSuccess && cudaMemGetInfo(&free, &total) == cudaSuccess) device.free = free;
    devices.push_back(std::move(device));
  }
  if (count > 0) cudaSetDevice(0);
#endif
  return devices;
}

}  // namespace lowshot
