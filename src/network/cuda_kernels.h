#pragma once
// What a ResNet needs beside convolutions, as kernels of our own. Tensors are channels last in device memory, float16
// (`half`) or float32; channels are a multiple of 8. The calls return before the work on `stream` is done.

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "lowshot/network.h"

namespace lowshot::network {

/// The crops as the stem's convolution reads them. 7 x 7 over 3 colours with stride 2 is a bad shape for tensor cores
/// (they take channels by eights), so it is computed as 4 x 1 over 64 channels with stride 1, two outputs of a row at a
/// time: blocks of 2 x 2 pixels are 12 values, and the pair of outputs 2j and 2j + 1 looks at the blocks 2j .. 2j + 4
/// of four rows of blocks. Block (i, k) holds the pixels 2i - 4 .. 2i - 3, 2k - 4 .. 2k - 3, row by row, zeros beyond
/// the crop; four more zeros fill up a window. ResNet-50's stem, 128 crops, H100, float16: 161 us; 4 x 4 over single
/// blocks with 16 channels 440 us; 7 x 7 over 8 channels 741 us at best and 2,222 us with the plan that cuDNN proposes.
struct StemInput {
  std::uint32_t crop;
  std::uint32_t out() const { return (crop + 1) / 2; }       ///< side of the stem's output
  std::uint32_t rows() const { return out() + 3; }           ///< of blocks
  std::uint32_t windows() const { return (out() + 1) / 2; }  ///< in a row
  static constexpr std::uint32_t blocks = 5;                 ///< in a window
  static constexpr std::uint32_t channels = 64;
  static constexpr std::uint32_t kernel = 4;
  static constexpr std::uint32_t outputs = 2;  ///< of a window: a row of outputs has 2 windows() places
};

/// Bytes R G B (n crops) to (value / 255 - mean) / deviation in windows (n x rows x windows x channels).
void normalise(const std::uint8_t* crops, void* windows, std::uint32_t n, const StemInput& input, bool half,
               const Normalisation& normalisation, cudaStream_t stream);

/// 3 x 3 with stride 2 and padding 1: n x side x side x channels, rows `pitch` pixels apart, to n x (side + 1) / 2
/// squared x channels.
void max_pool(const void* x, void* y, std::uint32_t n, std::uint32_t side, std::uint32_t pitch, std::uint32_t channels,
              bool half, cudaStream_t stream);

/// Mean over the map, summed in float32: n x pixels x channels to n x channels.
void average(const void* x, float* y, std::uint32_t n, std::uint32_t pixels, std::uint32_t channels, bool half,
             cudaStream_t stream);

/// y <- relu(y + bias + residual); `residual` may be null.
void add_bias(void* y, const float* bias, const void* residual, bool relu, std::size_t pixels, std::uint32_t channels,
              bool half, cudaStream_t stream);

}  // namespace lowshot::network
