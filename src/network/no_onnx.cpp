// What a build without OpenVINO has in place of onnx_network.cpp.
#include "lowshot/error.h"
#include "lowshot/network.h"

namespace lowshot {

bool has_onnx() {
  return false;
}

std::string onnx_library() {
  return {};
}

std::unique_ptr<Network> make_onnx_network(Context&, const std::filesystem::path& model, const OnnxOptions&,
                                           const Normalisation&, std::uint32_t, std::uint32_t) {
  throw Error(ErrorKind::device, "this build cannot run ONNX models: it was made without OpenVINO", model.string(),
              "install the Python package openvino, configure again with OpenVINO_DIR naming the folder openvino/cmake "
              "below its site-packages, and build");
}

}  // namespace lowshot
