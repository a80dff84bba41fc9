// What a build without CUDA or without cuDNN's headers has in place of cuda_network.cpp.
#include "lowshot/error.h"
#include "lowshot/network.h"

namespace lowshot {

bool has_cuda_networks() {
  return false;
}

std::unique_ptr<Network> make_cuda_network(Context&, const ResNet&, const Normalisation&, std::uint32_t, int, bool,
                                           std::uint32_t) {
  throw Error(ErrorKind::device, "this build has no networks on the GPU", "",
              "build with `scripts/build cuda` where CUDA's compiler is, or use the CPU");
}

}  // namespace lowshot
