#include "network/pool_output.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "lowshot/error.h"

namespace lowshot {

PooledOutput pooled_output(const std::vector<std::size_t>& shape, Pooling pooling, const std::string& where) {
  const std::string found = fmt::format("{}", fmt::join(shape, " x "));
  std::size_t size = 1;
  for (const std::size_t length : shape)
    if (__builtin_mul_overflow(size, length, &size) || size > UINT32_MAX)
      throw Error(ErrorKind::input, fmt::format("the output is {}, which is more than fits memory", found), where);
  if (shape.size() < 2 || shape.size() > 4 || std::find(shape.begin(), shape.end(), 0) != shape.end())
    throw Error(ErrorKind::input,
                fmt::format("expected an output of images x channels, images x tokens x channels or images x channels "
                            "x height x width and found {}",
                            shape.empty() ? "one value" : found),
                where, "choose another --output, or export the model with one");
  PooledOutput result;
  if (shape.size() == 2) {
    result.channels = shape[1];
    return result;
  }
  const bool map = shape.size() == 4;
  if (pooling == Pooling::none)
    throw Error(ErrorKind::input,
                fmt::format("the output is {}, several {} an image, and the pooling none makes no descriptor of them",
                            found, map ? "places" : "tokens"),
                where, map ? "choose average or maximum" : "choose average, maximum or class_token");
  if (pooling == Pooling::class_token && map)
    throw Error(ErrorKind::input, fmt::format("the output is {}, a map, which has no class token", found), where,
                "choose the pooling average or maximum");
  result.pooling = pooling;
  result.channels_last = !map;
  result.channels = map ? shape[1] : shape[2];
  result.places = map ? shape[2] * shape[3] : shape[1];
  return result;
}

void PooledOutput::pool(const float* values, float* out) const {
  const std::size_t next_channel = channels_last ? 1 : places, next_place = channels_last ? channels : 1;
  for (std::size_t c = 0; c < channels; ++c) {
    const float* value = values + c * next_channel;
    if (pooling == Pooling::average) {
      double sum = 0;
      for (std::size_t p = 0; p < places; ++p) sum += static_cast<double>(value[p * next_place]);
      out[c] = static_cast<float>(sum / static_cast<double>(places));
    } else {
      out[c] = value[0];  // the descriptor itself, or the class token, which is the first
      if (pooling != Pooling::maximum) continue;
      // A NaN stays: it is refused later.
      for (std::size_t p = 1; p < places; ++p)
        if (const float v = value[p * next_place]; v > out[c] || std::isnan(v)) out[c] = v;
    }
  }
}

}  // namespace lowshot
