// What a build without OpenVINO has in place of ONNX models.
#include "lowshot/error.h"
#include "lowshot/network.h"

namespace lowshot {

std::unique_ptr<Network> make_onnx_network(Context&, const std::filesystem::path&, const OnnxOptions&,
                                           const Normalisation&, std::uint32_t, std::uint32_t) {
  throw Error(ErrorKind::device, "no ONNX");
}

}  // namespace lowshot
