#pragma once
// The diffusion step U <- D^-1 B U on a GPU. Only in builds with CUDA (LOWSHOT_WITH_CUDA); callers see no CUDA headers.

#include <cstdint>
#include <memory>

#include "lowshot/graph.h"
#include "lowshot/matrix.h"

namespace lowshot::diffusion {

/// A graph and one slice of classes in the memory of one device: nodes x width float32, width a multiple of 32.
/// Every element is summed in the order of the row's edges with exact products, so the result equals the CPU's step to
/// the last bit. Not thread-safe. All members throw Error (device) when the device refuses, out of memory included.
class CudaSlice {
 public:
  CudaSlice(const GraphView& graph, std::uint32_t width, int device = 0);
  ~CudaSlice();
  CudaSlice(CudaSlice&&) noexcept;

  /// Bytes of device memory that the constructor takes.
  static std::uint64_t memory(std::uint64_t nodes, std::uint64_t edges, std::uint32_t width);

  void upload(MatrixView<const float> u);    ///< nodes x width
  void step();                               ///< U <- D^-1 B U; returns before it is done
  void download(MatrixView<float> u) const;  ///< waits for the steps

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lowshot::diffusion
