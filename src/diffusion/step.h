#pragma once
// One diffusion step U <- D^-1 B U on a slice of classes, for chosen rows.

#include <cstdint>

#include "lowshot/context.h"
#include "lowshot/graph.h"

namespace lowshot::diffusion {

inline constexpr std::uint32_t lane_floats = 16;  ///< slices are padded to whole cache lines of 16 floats

/// A slice U: nodes x width float32, row-major, width a multiple of 16, at most 64, rows on cache lines. The graph as
/// plain pointers (GraphView's arrays), so that the kernels instantiate no library template.
struct StepTask {
  const std::uint64_t* offsets;
  const std::uint32_t* neighbours;
  const float* inverse_degree;
  std::size_t nodes;
  const float* from;
  float* to;  ///< not `from`
  std::uint32_t width;
};

/// to[i] = inverse_degree[i] * sum_j B_ij from[j] for rows[begin..end), or for i = begin..end-1 when `rows` is null.
/// Each element is summed in the order of the row's edges; weights are 1 or 2, so every product is exact and the sum
/// does not depend on slice width, instruction set or fused arithmetic.
using StepKernel = void (*)(const StepTask& task, const std::uint32_t* rows, std::size_t begin, std::size_t end);
StepKernel step_kernel(Isa isa);

void step_avx2(const StepTask& task, const std::uint32_t* rows, std::size_t begin, std::size_t end);
void step_avx512(const StepTask& task, const std::uint32_t* rows, std::size_t begin, std::size_t end);

}  // namespace lowshot::diffusion
