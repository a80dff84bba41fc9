#pragma once

#include "io/input_file.h"
#include "lowshot/named_tensors.h"

namespace lowshot::checkpoint {

/// read_safetensors of named_tensors.h, of an open file.
NamedTensors read_safetensors(const io::InputFile& file);

}  // namespace lowshot::checkpoint
