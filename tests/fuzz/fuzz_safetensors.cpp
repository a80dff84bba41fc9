// safetensors: whatever the bytes, an Error comes out, or tensors that are the same after they are written and read.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "lowshot/error.h"
#include "lowshot/named_tensors.h"

namespace {

/// Where the copies go; one process of the fuzzer writes one file at a time.
std::filesystem::path copy_path() {
  static const std::string path =
      (std::filesystem::temp_directory_path() / ("fuzz-" + std::to_string(getpid()) + ".safetensors")).string();
  return path;
}

void require_same_when_written(const lowshot::NamedTensors& tensors) {
  lowshot::write_safetensors(copy_path(), tensors);
  const lowshot::NamedTensors again = lowshot::read_safetensors(copy_path());
  std::filesystem::remove(copy_path());
  if (again.size() != tensors.size()) std::abort();
  for (const auto& [name, tensor] : tensors) {
    const lowshot::Tensor& other = again.at(name);
    if (other.type != tensor.type || other.shape != tensor.shape || other.bytes != tensor.bytes) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const int file = memfd_create("safetensors", MFD_CLOEXEC);
  if (file < 0 || write(file, data, size) != static_cast<ssize_t>(size)) std::abort();
  try {
    require_same_when_written(lowshot::read_safetensors("/proc/self/fd/" + std::to_string(file)));
  } catch (const lowshot::Error& error) {
    if (error.kind() != lowshot::ErrorKind::input) std::abort();
  }
  close(file);
  return 0;
}
