#pragma once
// The kinds of number that files of arrays hold, all little-endian.

#include <cstdint>
#include <string_view>

namespace lowshot::io {

enum class Scalar { float16, float32, float64, int32, int64 };

constexpr std::uint32_t width(Scalar type) {
  switch (type) {
    case Scalar::float16:
      return 2;
    case Scalar::float32:
    case Scalar::int32:
      return 4;
    case Scalar::float64:
    case Scalar::int64:
      return 8;
  }
  return 0;
}

constexpr std::string_view name(Scalar type) {
  switch (type) {
    case Scalar::float16:
      return "float16";
    case Scalar::float32:
      return "float32";
    case Scalar::float64:
      return "float64";
    case Scalar::int32:
      return "int32";
    case Scalar::int64:
      return "int64";
  }
  return "";
}

constexpr bool is_float(Scalar type) {
  return type == Scalar::float16 || type == Scalar::float32 || type == Scalar::float64;
}

}  // namespace lowshot::io
