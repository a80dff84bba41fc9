#include "lowshot/named_tensors.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>

#include "checkpoint/utf8.h"
#include "core/half.h"
#include "lowshot/error.h"

namespace lowshot {
namespace {

template <typename T>
std::vector<float> converted(const std::vector<std::byte>& bytes) {
  std::vector<float> values(bytes.size() / sizeof(T));
  for (std::size_t i = 0; i < values.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
    values[i] = static_cast<float>(value);
  }
  return values;
}

std::vector<float> from_half(const std::vector<std::byte>& bytes) {
  std::vector<Half> half(bytes.size() / sizeof(Half));
  if (!half.empty()) std::memcpy(half.data(), bytes.data(), half.size() * sizeof(Half));
  std::vector<float> values(half.size());
  convert(half.data(), values.data(), half.size());
  return values;
}

/// bfloat16 is the upper half of a float32.
std::vector<float> from_bfloat16(const std::vector<std::byte>& bytes) {
  std::vector<float> values(bytes.size() / 2);
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::uint16_t upper = 0;
    std::memcpy(&upper, bytes.data() + 2 * i, 2);
    const std::uint32_t bits = std::uint32_t{upper} << 16;
    std::memcpy(&values[i], &bits, 4);
  }
  return values;
}

}  // namespace

std::uint32_t width(TensorType type) {
  switch (type) {
    case TensorType::int8:
    case TensorType::uint8:
    case TensorType::boolean:
      return 1;
    case TensorType::float16:
    case TensorType::bfloat16:
    case TensorType::int16:
      return 2;
    case TensorType::float32:
    case TensorType::int32:
      return 4;
    case TensorType::float64:
    case TensorType::int64:
      return 8;
  }
  return 0;
}

std::string_view name(TensorType type) {
  switch (type) {
    case TensorType::float16:
      return "float16";
    case TensorType::bfloat16:
      return "bfloat16";
    case TensorType::float32:
      return "float32";
    case TensorType::float64:
      return "float64";
    case TensorType::int8:
      return "int8";
    case TensorType::uint8:
      return "uint8";
    case TensorType::int16:
      return "int16";
    case TensorType::int32:
      return "int32";
    case TensorType::int64:
      return "int64";
    case TensorType::boolean:
      return "boolean";
  }
  return "";
}

std::uint64_t Tensor::size() const {
  return bytes.size() / width(type);
}

std::vector<float> Tensor::float_values() const {
  switch (type) {
    case TensorType::float16:
      return from_half(bytes);
    case TensorType::bfloat16:
      return from_bfloat16(bytes);
    case TensorType::float32:
      return converted<float>(bytes);
    case TensorType::float64:
      return converted<double>(bytes);
    case TensorType::int8:
      return converted<std::int8_t>(bytes);
    case TensorType::uint8:
    case TensorType::boolean:
      return converted<std::uint8_t>(bytes);
    case TensorType::int16:
      return converted<std::int16_t>(bytes);
    case TensorType::int32:
      return converted<std::int32_t>(bytes);
    case TensorType::int64:
      return converted<std::int64_t>(bytes);
  }
  return {};
}

Tensor to_float16(const std::string& name, const Tensor& tensor) {
  const std::vector<float> values = tensor.float_values();
  std::vector<Half> half(values.size());
  convert(values.data(), half.data(), values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i]) && !std::isfinite(to_float(half[i])))
      throw Error(ErrorKind::input,
                  fmt::format("tensor {} holds {}, float16 reaches 65504", checkpoint::shown(name), values[i]), "",
                  "keep float32");
  }
  Tensor result{TensorType::float16, tensor.shape, std::vector<std::byte>(half.size() * sizeof(Half))};
  if (!half.empty()) std::memcpy(result.bytes.data(), half.data(), result.bytes.size());
  return result;
}

}  // namespace lowshot
