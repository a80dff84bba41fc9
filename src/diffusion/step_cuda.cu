// U <- D^-1 B U on a GPU, B as id-only edges: a group of lanes gathers the rows that node i's edges name.
//
// A group of L lanes (8, 16 or 32) holds 4 L classes of one node, four a lane, so a gathered row comes as whole
// 128-byte lines with one 16-byte load a lane. An edge's id is read by all lanes of a group at once (one transaction).
// Edges are unrolled so that several gathers are under way; the sums stay in the order of the edges. Offsets are 64
// bits.
#include <cuda_runtime.h>

#include <algorithm>
#include <string>
#include <utility>

#include "diffusion/step_cuda.h"
#include "lowshot/error.h"

namespace lowshot::diffusion {
namespace {

constexpr int block_threads = 256;
constexpr int edges_ahead = 4;
constexpr std::uint32_t class_granule = 32;  // floats of one 128-byte line
constexpr std::uint32_t widest_group = 128;  // classes that 32 lanes hold

struct DeviceStep {
  const std::uint64_t* offsets;  // nodes + 1, from 0
  const std::uint32_t* neighbours;
  const float* inverse_degree;
  const float* from;
  float* to;
  std::uint64_t nodes;
  std::uint32_t width;
};

__device__ inline void add_row(float4& sum, float4 row, std::uint32_t edge) {
  const float weight = static_cast<float>(1 + (edge >> 31));
  sum.x += weight * row.x;
  sum.y += weight * row.y;
  sum.z += weight * row.z;
  sum.w += weight * row.w;
}

// blockIdx.x: nodes; blockIdx.y: groups of 4 Lanes classes.
template <int Lanes>
__global__ void __launch_bounds__(block_threads) step_kernel(const DeviceStep task) {
  const std::uint64_t node = std::uint64_t{blockIdx.x} * (block_threads / Lanes) + threadIdx.x / Lanes;
  if (node >= task.nodes) return;
  const std::uint64_t column = std::uint64_t{blockIdx.y} * (4 * Lanes) + (threadIdx.x % Lanes) * 4;
  const auto row_of = [&](std::uint32_t edge) {
    return __ldg(reinterpret_cast<const float4*>(task.from + std::uint64_t{edge & ~weight2_bit} * task.width + column));
  };
  float4 sum = {0, 0, 0, 0};
  std::uint64_t e = task.offsets[node];
  const std::uint64_t end = task.offsets[node + 1];
  for (; e + edges_ahead <= end; e += edges_ahead) {
    std::uint32_t edge[edges_ahead];
    float4 row[edges_ahead];
#pragma unroll
    for (int a = 0; a < edges_ahead; ++a) edge[a] = __ldg(task.neighbours + e + a);
#pragma unroll
    for (int a = 0; a < edges_ahead; ++a) row[a] = row_of(edge[a]);
#pragma unroll
    for (int a = 0; a < edges_ahead; ++a) add_row(sum, row[a], edge[a]);
  }
  for (; e < end; ++e) {
    const std::uint32_t edge = __ldg(task.neighbours + e);
    add_row(sum, row_of(edge), edge);
  }
  const float scale = task.inverse_degree[node];
  const float4 result = {sum.x * scale, sum.y * scale, sum.z * scale, sum.w * scale};
  *reinterpret_cast<float4*>(task.to + node * task.width + column) = result;
}

void require(cudaError_t status, const std::string& doing) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // an error of a launch stays behind otherwise and hits the next call
  throw Error(
      ErrorKind::device, "the GPU refused " + doing + ": " + cudaGetErrorString(status), "",
      status == cudaErrorMemoryAllocation ? "use a smaller slice of classes (--lslice), or the CPU" : "use the CPU");
}

template <typename T>
class DeviceArray {
 public:
  explicit DeviceArray(std::uint64_t count) {
    if (count != 0)
      require(cudaMalloc(&data_, count * sizeof(T)), std::to_string(count * sizeof(T)) + " bytes of memory");
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  void fill(const T* from, std::uint64_t count) {
    if (count != 0) require(cudaMemcpy(data_, from, count * sizeof(T), cudaMemcpyHostToDevice), "a copy to its memory");
  }

 private:
  T* data_ = nullptr;
};

template <int Lanes>
void launch(const DeviceStep& task) {
  constexpr std::uint64_t nodes_a_block = block_threads / Lanes;
  const dim3 grid(static_cast<unsigned>((task.nodes + nodes_a_block - 1) / nodes_a_block), task.width / (4 * Lanes));
  step_kernel<Lanes><<<grid, block_threads>>>(task);
  require(cudaGetLastError(), "the diffusion step");
}

int require_device(int device) {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || device < 0 || device >= count) {
    cudaGetLastError();
    throw Error(ErrorKind::device,
                "there is no CUDA device " + std::to_string(device) + " (" + std::to_string(count) + " found)", "",
                "see `lowshot info`, or use the CPU");
  }
  require(cudaSetDevice(device), "to be used");
  return device;
}

}  // namespace

struct CudaSlice::State {
  State(const GraphView& graph, std::uint32_t slice_width, int which)
      : device(require_device(which)),
        nodes(graph.nodes()),
        width(slice_width),
        offsets(nodes + 1),
        neighbours(graph.edges()),
        inverse_degree(nodes),
        slices{DeviceArray<float>(nodes * width), DeviceArray<float>(nodes * width)} {}

  int device;
  std::uint64_t nodes;
  std::uint32_t width;
  DeviceArray<std::uint64_t> offsets;
  DeviceArray<std::uint32_t> neighbours;
  DeviceArray<float> inverse_degree;
  DeviceArray<float> slices[2];
  int now = 0;  // which of the slices is U
};

CudaSlice::CudaSlice(const GraphView& graph, std::uint32_t width, int device) {
  if (width == 0 || width % class_granule != 0)
    throw Error(ErrorKind::usage,
                "a slice on the GPU is " + std::to_string(width) + " classes wide, expected a multiple of 32");
  state_ = std::make_unique<State>(graph, width, device);
  // The device's offsets start at 0, also where those of the view (a part of a larger graph) do not.
  std::vector<std::uint64_t> offsets(graph.offsets.begin(), graph.offsets.end());
  for (std::uint64_t& offset : offsets) offset -= graph.offsets.front();
  state_->offsets.fill(offsets.data(), offsets.size());
  state_->neighbours.fill(graph.neighbours.data(), graph.edges());
  state_->inverse_degree.fill(graph.inverse_degree.data(), graph.nodes());
}

CudaSlice::~CudaSlice() = default;
CudaSlice::CudaSlice(CudaSlice&&) noexcept = default;

std::uint64_t CudaSlice::memory(std::uint64_t nodes, std::uint64_t edges, std::uint32_t width) {
  return (nodes + 1) * sizeof(std::uint64_t) + edges * sizeof(std::uint32_t) + nodes * sizeof(float) +
         2 * nodes * width * sizeof(float);
}

void CudaSlice::upload(MatrixView<const float> u) {
  if (u.rows() != state_->nodes || u.cols() != state_->width)
    throw Error(ErrorKind::usage, "a slice of another shape than the one on the GPU");
  require(cudaSetDevice(state_->device), "to be used");
  state_->slices[state_->now].fill(u.data(), u.size());
}

void CudaSlice::step() {
  State& s = *state_;
  if (s.nodes == 0) return;
  require(cudaSetDevice(s.device), "to be used");
  const DeviceStep task{s.offsets.data(),
                        s.neighbours.data(),
                        s.inverse_degree.data(),
                        s.slices[s.now].data(),
                        s.slices[1 - s.now].data(),
                        s.nodes,
                        s.width};
  if (s.width % widest_group == 0)
    launch<32>(task);
  else if (s.width % 64 == 0)
    launch<16>(task);
  else
    launch<8>(task);
  s.now = 1 - s.now;
}

void CudaSlice::download(MatrixView<float> u) const {
  if (u.rows() != state_->nodes || u.cols() != state_->width)
    throw Error(ErrorKind::usage, "a slice of another shape than the one on the GPU");
  if (u.size() == 0) return;
  require(cudaSetDevice(state_->device), "to be used");
  require(cudaMemcpy(u.data(), state_->slices[state_->now].data(), u.size() * sizeof(float), cudaMemcpyDeviceToHost),
          "a copy from its memory");
}

}  // namespace lowshot::diffusion
