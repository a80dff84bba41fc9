// Any bytes are a matrix whose rows, columns and values are within their bounds, or an Error.
#include <cstdlib>

#include "fuzz/memory_file.h"
#include "lowshot/error.h"
#include "lowshot/sparse_matrix.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::MemoryFile file(data, size);
  try {
    const lowshot::SparseSize expected = lowshot::sparse_npz_size(file.path());
    const lowshot::SparseMatrix m = lowshot::read_sparse_npz(file.path());
    if (m.rows != expected.rows || m.cols != expected.cols || m.columns.size() != expected.entries) std::abort();
    if (m.offsets.size() != m.rows + 1 || m.offsets.front() != 0 || m.offsets.back() != m.columns.size()) std::abort();
    if (m.values.size() != m.columns.size()) std::abort();
    for (std::size_t i = 0; i < m.rows; ++i)
      if (m.offsets[i] > m.offsets[i + 1]) std::abort();
    for (std::size_t e = 0; e < m.columns.size(); ++e)
      if (m.columns[e] >= m.cols || !(m.values[e] >= 0 && m.values[e] <= lowshot::largest_edge_weight)) std::abort();
    lowshot::Context context;
    context.threads = 1;
    const lowshot::WeightedGraph graph = lowshot::weighted_graph(context, m, "matrix");
    for (const float inverse : graph.weights.inverse_degree)
      if (!(inverse >= 0)) std::abort();
  } catch (const lowshot::Error&) {
  }
  return 0;
}
