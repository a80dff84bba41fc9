// Any bytes, and any five members of a sound zip, are a matrix whose rows, columns and values are within their bounds,
// or an Error. The members are what the checksums of a zip would keep the mutations from: the input is their contents,
// each behind its length (2 bytes, little-endian).
#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include "fuzz/memory_file.h"
#include "lowshot/error.h"
#include "lowshot/sparse_matrix.h"
#include "oracle/zip_files.h"

namespace {

void check(const std::filesystem::path& path) {
  try {
    const lowshot::SparseSize expected = lowshot::sparse_npz_size(path);
    const lowshot::SparseMatrix m = lowshot::read_sparse_npz(path);
    if (m.rows != expected.rows || m.cols != expected.cols || m.columns.size() != expected.entries) std::abort();
    if (m.offsets.size() != m.rows + 1 || m.offsets.front() != 0 || m.offsets.back() != m.columns.size()) std::abort();
    if (m.values.size() != m.columns.size() || !std::is_sorted(m.offsets.begin(), m.offsets.end())) std::abort();
    for (std::size_t e = 0; e < m.columns.size(); ++e)
      if (m.columns[e] >= m.cols || !(m.values[e] >= 0 && m.values[e] <= lowshot::largest_edge_weight)) std::abort();
    lowshot::Context context;
    context.threads = 1;
    const lowshot::WeightedGraph graph = lowshot::weighted_graph(context, m, "matrix");
    for (const float inverse : graph.weights.inverse_degree)
      if (!(inverse >= 0)) std::abort();
  } catch (const lowshot::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size >= 2 && data[0] == 'P' && data[1] == 'K') {
    check(fuzz::MemoryFile(data, size).path());
    return 0;
  }
  std::vector<fixtures::ZipMember> members;
  for (const char* name : {"format.npy", "shape.npy", "indptr.npy", "indices.npy", "data.npy"}) {
    if (size < 2) break;
    const std::size_t length = std::min<std::size_t>(data[0] | data[1] << 8, size - 2);
    members.push_back({name, std::string(reinterpret_cast<const char*>(data + 2), length)});
    data += 2 + length;
    size -= 2 + length;
  }
  const std::string zip = fixtures::zip_file(members);
  check(fuzz::MemoryFile(reinterpret_cast<const std::uint8_t*>(zip.data()), zip.size()).path());
  return 0;
}
