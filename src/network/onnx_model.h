#pragma once
// An ONNX file as a model that takes crops: one input, images x 3 x crop x crop, one output, both float32.

#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <memory>
#include <openvino/core/model.hpp>
#include <string>
#include <vector>

#include "lowshot/network.h"

namespace lowshot::onnx_detail {

struct OnnxModel {
  std::shared_ptr<ov::Model> model;
  std::size_t group = 1;           ///< images of a call: what the model is made for, else one
  std::string output;              ///< its name
  std::vector<std::size_t> shape;  ///< of the output, for a group
  std::string weights_hash;        ///< of all constants: weights may lie in files beside the model's
  std::uint64_t weight_bytes = 0, activation_bytes = 0;  ///< an estimate: as float32; of a call
};

/// Throws Error (input) for a file that is no ONNX model or not of this shape.
OnnxModel read_onnx(const std::filesystem::path& path, const std::string& output, std::uint32_t crop);

/// What an exception of OpenVINO says, on one line and without the places in its sources.
std::string plain_message(const std::exception& error);

}  // namespace lowshot::onnx_detail
