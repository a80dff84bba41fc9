// Kernels whose time is the bytes that they move: each thread reads and writes 16 bytes of neighbouring channels.
#include <cuda_fp16.h>

#include "network/cuda_kernels.h"
#include "network/cuda_memory.h"

namespace lowshot::network {
namespace {

constexpr unsigned block_threads = 256;

// 16 bytes of channels as float32.
template <typename T>
struct Channels {
  static constexpr unsigned count = 16 / sizeof(T);
  float value[count];
};

template <typename T>
__device__ Channels<T> load(const T* from) {
  const uint4 bits = *reinterpret_cast<const uint4*>(from);
  Channels<T> c;
  if constexpr (sizeof(T) == 2) {
    const unsigned words[4] = {bits.x, bits.y, bits.z, bits.w};
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) {
      const float2 pair = __half22float2(*reinterpret_cast<const __half2*>(&words[i]));
      c.value[2 * i] = pair.x;
      c.value[2 * i + 1] = pair.y;
    }
  } else {
    c = {__uint_as_float(bits.x), __uint_as_float(bits.y), __uint_as_float(bits.z), __uint_as_float(bits.w)};
  }
  return c;
}

template <typename T>
__device__ void store(T* to, const Channels<T>& c) {
  uint4 bits;
  if constexpr (sizeof(T) == 2) {
    unsigned words[4];
#pragma unroll
    for (unsigned i = 0; i < 4; ++i) {
      const __half2 pair = __floats2half2_rn(c.value[2 * i], c.value[2 * i + 1]);
      words[i] = *reinterpret_cast<const unsigned*>(&pair);
    }
    bits = {words[0], words[1], words[2], words[3]};
  } else {
    bits = {__float_as_uint(c.value[0]), __float_as_uint(c.value[1]), __float_as_uint(c.value[2]),
            __float_as_uint(c.value[3])};
  }
  *reinterpret_cast<uint4*>(to) = bits;
}

struct NormaliseTask {
  const std::uint8_t* crops;
  std::uint32_t crop, rows, windows;
  std::size_t count;  // of 16 bytes of channels
  float scale[3], shift[3];
};

// A thread makes 16 bytes of a window's channels.
template <typename T>
__global__ void __launch_bounds__(block_threads) normalise_kernel(const NormaliseTask task, T* to) {
  constexpr std::uint32_t each = Channels<T>::count, pieces = StemInput::channels / each, block_values = 12;
  const std::size_t index = std::size_t{blockIdx.x} * block_threads + threadIdx.x;
  if (index >= task.count) return;
  const std::uint32_t piece = index % pieces;
  const std::size_t window = index / pieces;
  const std::uint32_t j = window % task.windows;
  const std::uint32_t i = window / task.windows % task.rows;
  const std::uint8_t* crop = task.crops + window / task.windows / task.rows * task.crop * task.crop * 3;
  Channels<T> c;
#pragma unroll
  for (std::uint32_t k = 0; k < each; ++k) {
    const std::uint32_t channel = piece * each + k, block = channel / block_values, value = channel % block_values;
    const std::uint32_t colour = value % 3;
    // Before the crop wraps to more than any crop.
    const std::uint32_t row = 2 * i - 4 + value / 6, column = 4 * j - 4 + 2 * block + value / 3 % 2;
    const bool inside = block < StemInput::blocks && row < task.crop && column < task.crop;
    c.value[k] = inside ? fmaf(crop[(std::size_t{row} * task.crop + column) * 3 + colour], task.scale[colour],
                               task.shift[colour])
                        : 0.0F;
  }
  store(to + index * each, c);
}

template <typename T>
__global__ void __launch_bounds__(block_threads)
    max_pool_kernel(const T* x, T* y, std::size_t count, std::uint32_t side, std::uint32_t pitch,
                    std::uint32_t channels) {
  constexpr unsigned each = Channels<T>::count;
  const std::size_t index = std::size_t{blockIdx.x} * block_threads + threadIdx.x;
  if (index >= count) return;
  const std::uint32_t groups = channels / each, out = (side + 1) / 2;
  const std::uint32_t group = index % groups;
  const std::uint32_t j = index / groups % out;
  const std::uint32_t i = index / groups / out % out;
  const std::size_t n = index / groups / out / out;
  Channels<T> best;
#pragma unroll
  for (unsigned k = 0; k < each; ++k) best.value[k] = -INFINITY;
#pragma unroll
  for (unsigned p = 0; p < 3; ++p)
#pragma unroll
    for (unsigned q = 0; q < 3; ++q) {
      const std::uint32_t row = 2 * i + p - 1, column = 2 * j + q - 1;
      if (row >= side || column >= side) continue;
      const Channels<T> c = load(x + ((n * side + row) * pitch + column) * channels + group * each);
#pragma unroll
      for (unsigned k = 0; k < each; ++k) best.value[k] = fmaxf(best.value[k], c.value[k]);
    }
  store(y + index * each, best);
}

// blockIdx.x: the crop; blockIdx.y and the threads: groups of channels.
template <typename T>
__global__ void __launch_bounds__(block_threads)
    average_kernel(const T* x, float* y, std::uint32_t pixels, std::uint32_t channels) {
  constexpr unsigned each = Channels<T>::count;
  const std::uint32_t first = (blockIdx.y * block_threads + threadIdx.x) * each;
  if (first >= channels) return;
  const T* from = x + std::size_t{blockIdx.x} * pixels * channels + first;
  float sum[each] = {};
#pragma unroll 7
  for (std::uint32_t p = 0; p < pixels; ++p) {
    const Channels<T> c = load(from + std::size_t{p} * channels);
#pragma unroll
    for (unsigned k = 0; k < each; ++k) sum[k] += c.value[k];
  }
  float* to = y + std::size_t{blockIdx.x} * channels + first;
#pragma unroll
  for (unsigned k = 0; k < each; ++k) to[k] = sum[k] / static_cast<float>(pixels);
}

template <typename T>
__global__ void __launch_bounds__(block_threads)
    add_bias_kernel(T* y, const float* bias, const T* residual, bool relu, std::size_t count, std::uint32_t channels) {
  constexpr unsigned each = Channels<T>::count;
  const std::size_t index = std::size_t{blockIdx.x} * block_threads + threadIdx.x;
  if (index >= count) return;
  const std::uint32_t first = index % (channels / each) * each;
  Channels<T> c = load(y + index * each);
#pragma unroll
  for (unsigned k = 0; k < each; ++k) c.value[k] += bias[first + k];
  if (residual != nullptr) {
    const Channels<T> r = load(residual + index * each);
#pragma unroll
    for (unsigned k = 0; k < each; ++k) c.value[k] += r.value[k];
  }
  if (relu) {
#pragma unroll
    for (unsigned k = 0; k < each; ++k) c.value[k] = fmaxf(c.value[k], 0.0F);
  }
  store(y + index * each, c);
}

unsigned blocks(std::size_t threads) {
  return static_cast<unsigned>((threads + block_threads - 1) / block_threads);
}

template <typename T>
void max_pool(const void* x, void* y, std::uint32_t n, std::uint32_t side, std::uint32_t pitch, std::uint32_t channels,
              cudaStream_t stream) {
  const std::size_t out = (side + 1) / 2, count = n * out * out * (channels / Channels<T>::count);
  max_pool_kernel<T><<<blocks(count), block_threads, 0, stream>>>(static_cast<const T*>(x), static_cast<T*>(y), count,
                                                                  side, pitch, channels);
}

template <typename T>
void average(const void* x, float* y, std::uint32_t n, std::uint32_t pixels, std::uint32_t channels,
             cudaStream_t stream) {
  const dim3 grid(n, blocks(channels / Channels<T>::count));
  average_kernel<T><<<grid, block_threads, 0, stream>>>(static_cast<const T*>(x), y, pixels, channels);
}

template <typename T>
void add_bias(void* y, const float* bias, const void* residual, bool relu, std::size_t pixels, std::uint32_t channels,
              cudaStream_t stream) {
  const std::size_t count = pixels * (channels / Channels<T>::count);
  add_bias_kernel<T><<<blocks(count), block_threads, 0, stream>>>(
      static_cast<T*>(y), bias, static_cast<const T*>(residual), relu, count, channels);
}

}  // namespace

void normalise(const std::uint8_t* crops, void* to, std::uint32_t n, const StemInput& input, bool half,
               const Normalisation& normalisation, cudaStream_t stream) {
  const std::size_t values = std::size_t{n} * input.rows() * input.windows() * StemInput::channels;
  NormaliseTask task{crops, input.crop, input.rows(), input.windows(), 0, {}, {}};
  // One product and one sum: a division by the deviation would be rounded elsewhere, in the last bit of float32.
  for (std::size_t c = 0; c < 3; ++c) {
    task.scale[c] = static_cast<float>(1 / (255.0 * normalisation.deviation[c]));
    task.shift[c] = static_cast<float>(-double{normalisation.mean[c]} / normalisation.deviation[c]);
  }
  task.count = values / (half ? Channels<__half>::count : Channels<float>::count);
  if (half)
    normalise_kernel<<<blocks(task.count), block_threads, 0, stream>>>(task, static_cast<__half*>(to));
  else
    normalise_kernel<<<blocks(task.count), block_threads, 0, stream>>>(task, static_cast<float*>(to));
  require(cudaGetLastError(), "the normalisation of crops");
}

void max_pool(const void* x, void* y, std::uint32_t n, std::uint32_t side, std::uint32_t pitch, std::uint32_t channels,
              bool half, cudaStream_t stream) {
  half ? max_pool<__half>(x, y, n, side, pitch, channels, stream)
       : max_pool<float>(x, y, n, side, pitch, channels, stream);
  require(cudaGetLastError(), "the max pool");
}

void average(const void* x, float* y, std::uint32_t n, std::uint32_t pixels, std::uint32_t channels, bool half,
             cudaStream_t stream) {
  half ? average<__half>(x, y, n, pixels, channels, stream) : average<float>(x, y, n, pixels, channels, stream);
  require(cudaGetLastError(), "the average pool");
}

void add_bias(void* y, const float* bias, const void* residual, bool relu, std::size_t pixels, std::uint32_t channels,
              bool half, cudaStream_t stream) {
  half ? add_bias<__half>(y, bias, residual, relu, pixels, channels, stream)
       : add_bias<float>(y, bias, residual, relu, pixels, channels, stream);
  require(cudaGetLastError(), "the sum with a bias");
}

}  // namespace lowshot::network
