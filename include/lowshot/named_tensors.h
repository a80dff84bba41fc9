#pragma once
// The weights of a network: named arrays, read from PyTorch checkpoints (without running code) and safetensors.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace lowshot {

enum class TensorType { float16, bfloat16, float32, float64, int8, uint8, int16, int32, int64, boolean };
std::uint32_t width(TensorType type);  ///< bytes a value
std::string_view name(TensorType type);

/// Row-major without gaps, little-endian; owns its bytes. A shape of no dimensions is one value.
struct Tensor {
  TensorType type = TensorType::float32;
  std::vector<std::uint64_t> shape;
  std::vector<std::byte> bytes;

  std::uint64_t size() const;               ///< number of values
  std::vector<float> float_values() const;  ///< of any type, as float32
};

/// A float32 tensor in half the bytes. Throws Error (input) naming the tensor where a finite value is beyond float16's
/// range: it would become infinity, and the network's descriptors NaN.
Tensor to_float16(const std::string& name, const Tensor& tensor);

using NamedTensors = std::map<std::string, Tensor>;

/// A checkpoint of any of the formats below, told by its content: PyTorch's legacy stream of pickles, PyTorch's zip,
/// safetensors. From a PyTorch checkpoint the dict of tensors is taken from the key `state` (the original's),
/// `state_dict`, `model`, or the top; other values beside it (epoch, optimiser) are read over.
/// A checkpoint cannot run code: of pickle's opcodes and globals those are known that a state dict needs, all others
/// are refused by name. Throws Error (input) naming file and byte. Never allocates more than the file's own size
/// times a small constant.
NamedTensors read_checkpoint(const std::filesystem::path& path);

NamedTensors read_safetensors(const std::filesystem::path& path);
/// Whole or not at all; names in sorted order, values aligned to 8 bytes as the format asks.
void write_safetensors(const std::filesystem::path& path, const NamedTensors& tensors,
                       const std::map<std::string, std::string>& metadata = {});

}  // namespace lowshot
