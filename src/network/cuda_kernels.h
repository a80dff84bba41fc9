#pragma once
// What a ResNet needs beside convolutions, as kernels of our own. Tensors are channels last in device memory, float16
// (`half`) or float32; channels are a multiple of 8. The calls return before the work on `stream` is done.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "lowshot/network.h"

namespace lowshot::network {

/// The stem's 7 x 7 convolution with stride 2 and padding 3 is a 4 x 4 one with stride 1 over blocks of 2 x 2 pixels:
/// 16 positions of 12 values instead of 49 of 3. Tensor cores take channels by eights, so 196 products are padded to
/// 256 rather than 147 to 392. Block (i, j) holds the pixels 2i - 4 .. 2i - 3, 2j - 4 .. 2j - 3, row by row, and
/// zeros beyond the crop: the padding is part of the map.
struct StemInput {
  std::uint32_t crop;
  bool half;
  std::uint32_t out() const { return (crop + 1) / 2; }       ///< side of the stem's output
  std::uint32_t side() const { return out() + 3; }           ///< blocks
  std::uint32_t channels() const { return half ? 16 : 12; }  ///< 12, and zeros
  static constexpr std::uint32_t kernel = 4;
};

/// Bytes R G B (n crops) to (value / 255 - mean) / deviation in blocks (n x side x side x channels).
void normalise(const std::uint8_t* crops, void* blocks, std::uint32_t n, const StemInput& input,
               const Normalisation& normalisation, cudaStream_t stream);

/// 3 x 3 with stride 2 and padding 1: n x side x side x channels to n x (side + 1) / 2 squared x channels.
void max_pool(const void* x, void* y, std::uint32_t n, std::uint32_t side, std::uint32_t channels, bool half,
              cudaStream_t stream);

/// Mean over the map, summed in float32: n x pixels x channels to n x channels.
void average(const void* x, float* y, std::uint32_t n, std::uint32_t pixels, std::uint32_t channels, bool half,
             cudaStream_t stream);

/// y <- relu(y + bias + residual); `residual` may be null.
void add_bias(void* y, const float* bias, const void* residual, bool relu, std::size_t pixels, std::uint32_t channels,
              bool half, cudaStream_t stream);

}  // namespace lowshot::network
