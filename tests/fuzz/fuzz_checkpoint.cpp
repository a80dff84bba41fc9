// Checkpoints of any format: whatever the bytes, tensors come out or an Error, and never many more bytes than went in.
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

#include "lowshot/error.h"
#include "lowshot/named_tensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const int file = memfd_create("checkpoint", MFD_CLOEXEC);
  if (file < 0 || write(file, data, size) != static_cast<ssize_t>(size)) std::abort();
  try {
    std::size_t bytes = 0;
    for (const auto& [name, tensor] : lowshot::read_checkpoint("/proc/self/fd/" + std::to_string(file))) {
      if (tensor.float_values().size() != tensor.size()) std::abort();
      std::uint64_t values = 1;
      for (const std::uint64_t side : tensor.shape) values *= side;
      if (values != tensor.size()) std::abort();
      bytes += tensor.bytes.size();
    }
    if (bytes > 8 * size) std::abort();
  } catch (const lowshot::Error& error) {
    if (error.kind() != lowshot::ErrorKind::input) std::abort();
  }
  close(file);
  return 0;
}
