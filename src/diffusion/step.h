#pragma once
// One diffusion step U <- D^-1 B U on a slice of classes, for chosen rows.

#include <cstdint>

#include "lowshot/context.h"
#include "lowshot/graph.h"
#include "lowshot/matrix.h"

namespace lowshot::diffusion {

/// Slices are padded to whole cache lines: 16 floats, or 32 values in half precision.
template <typename T>
inline constexpr std::uint32_t line_values = 64 / sizeof(T);
inline constexpr std::uint32_t widest_slice = 64;

/// U = stored value / stored_one<T>. Entries of U are at most 1 and fall to 1 / nodes while labels mix; half precision
/// holds 2^-14 .. 65504 with 11 bits, so its values are scaled by a power of two: entries down to 2^-29 keep all bits.
template <typename T>
inline constexpr float stored_one = 1;
template <>
inline constexpr float stored_one<Half> = 32768;

/// A slice U: nodes x width, row-major, width a multiple of line_values<T>, at most 64, rows on cache lines. The graph
/// as plain pointers (GraphView's arrays), so that the kernels instantiate no library template.
template <typename T>
struct StepTask {
  const std::uint64_t* offsets;
  const std::uint32_t* neighbours;
  const float* inverse_degree;
  std::size_t nodes;
  const T* from;
  T* to;  ///< not `from`
  std::uint32_t width;
};

/// to[i] = inverse_degree[i] * sum_j B_ij from[j] for rows[begin..end), or for i = begin..end-1 when `rows` is null.
/// Each element is summed in float32 in the order of the row's edges and rounded to T once, at the end; weights are 1
/// or 2, so every product is exact and the sum does not depend on slice width, instruction set or fused arithmetic.
template <typename T>
using StepKernel = void (*)(const StepTask<T>& task, const std::uint32_t* rows, std::size_t begin, std::size_t end);
template <typename T>
StepKernel<T> step_kernel(Isa isa);  // T: float, Half

void step_avx2(const StepTask<float>& task, const std::uint32_t* rows, std::size_t begin, std::size_t end);
void step_avx2(const StepTask<Half>& task, const std::uint32_t* rows, std::size_t begin, std::size_t end);
void step_avx512(const StepTask<float>& task, const std::uint32_t* rows, std::size_t begin, std::size_t end);
void step_avx512(const StepTask<Half>& task, const std::uint32_t* rows, std::size_t begin, std::size_t end);

}  // namespace lowshot::diffusion
