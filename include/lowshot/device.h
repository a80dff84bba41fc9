#pragma once
// What this program is built with and what it may run on: compiled-in parts, processor, GPUs.

#include <cstdint>
#include <string>
#include <vector>

namespace lowshot {

struct BuildInfo {
  std::string version, compiler;
  std::string hdf5, eigen;         ///< versions: HDF5's of the library that is loaded, Eigen's of the headers
  bool cuda = false;               ///< the CUDA kernels are built in
  std::string cuda_version;        ///< of the toolkit; empty without
  std::string cuda_architectures;  ///< as CMake names them
};
BuildInfo build_info();

struct Processor {
  std::string model;                          ///< as the system calls it; may be empty
  int cores = 0;                              ///< that this process may use
  std::vector<std::string> instruction_sets;  ///< of those that kernels are written for or may be
};
Processor processor();

struct Device {
  int index = 0;
  std::string name;
  int major = 0, minor = 0;            ///< compute capability
  std::uint64_t memory = 0, free = 0;  ///< bytes
};
/// The CUDA devices that can be used; none without a GPU or a driver, or in a build without CUDA. Never throws for
/// their absence.
std::vector<Device> list_devices();

}  // namespace lowshot
