#include "lowshot/named_tensors.h"
#include <cstring>
namespace lowshot { std::vector<float> Tensor::float_values() const { std::vector<float> v(bytes.size()/4); std::memcpy(v.data(),bytes.data(),bytes.size()); return v; } }
