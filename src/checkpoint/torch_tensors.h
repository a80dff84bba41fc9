#pragma once
// From the pickle of a checkpoint to its tensors: what both of PyTorch's formats have in common. They differ in where
// the storages lie.

#include <cstdint>
#include <map>
#include <string>

#include "checkpoint/pickle.h"
#include "io/input_file.h"
#include "lowshot/named_tensors.h"

namespace lowshot::checkpoint {

/// The values behind one or more tensors.
struct Storage {
  TensorType type = TensorType::float32;
  std::uint64_t count = 0;   ///< values
  std::uint64_t offset = 0;  ///< where in the file they begin; the format's reader fills it in
};
using Storages = std::map<std::string, Storage>;  ///< by key

/// Every storage that the pickle names. Throws Error (input) where one is described in two ways, or by nonsense.
Storages named_storages(const io::InputFile& file, const Pickle& pickle);

/// The tensors of the dict that holds the weights (named_tensors.h says which), row-major. The storages lie inside the
/// file. Allocates and reads at most `most_unfolded` times the file's size.
NamedTensors take_tensors(const io::InputFile& file, const Pickle& pickle, const Storages& storages);

/// A tensor that is expanded (stride 0), or that has several names, takes more bytes than the file has. Tied weights
/// and a view or two stay below 2.
constexpr std::uint64_t most_unfolded = 8;

NamedTensors read_torch_legacy(const io::InputFile& file);
NamedTensors read_torch_zip(const io::InputFile& file);

}  // namespace lowshot::checkpoint
