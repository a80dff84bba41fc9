#pragma once
// The graph of a collection, kept under the hash of its descriptors and options: other labels need no k-NN work, and
// more descriptors at the end extend it.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "knn/table_search.h"
#include "lowshot/context.h"
#include "lowshot/knn.h"
#include "lowshot/knn_streamed.h"
#include "lowshot/knn_table.h"
#include "lowshot/label.h"
#include "lowshot/memory.h"

namespace lowshot {

/// What stands between the rows of the shards and the nodes of the graph: bad rows (NaN, infinite, all zero) are no
/// nodes.
struct Collection {
  std::vector<std::filesystem::path> shards;
  std::vector<std::uint64_t> shard_rows;
  std::uint32_t dim = 0;
  bool half = false;  ///< every shard holds float16: rows are kept as they are
  std::uint64_t rows = 0;
};
/// Opens every shard; Error (input) naming the two files where dimensions differ. `raw_dim` for headerless files.
Collection open_collection(const std::vector<std::filesystem::path>& shards, std::optional<std::uint32_t> raw_dim);

struct KeptGraph {
  KnnTable table;                       ///< of the nodes
  std::vector<NodeId> order;            ///< in which their graph is kept (graph_order); empty: as they are
  std::vector<std::uint32_t> bad_rows;  ///< rising; the other rows are the nodes, in order
  std::string origin;                   ///< "kept", "extended" or "built"
  TableSearch search;                   ///< of the table
  std::filesystem::path folder;
};

struct KeepOptions {
  KnnOptions knn = {};  ///< rows are normalised, the metric stays the inner product
  std::optional<std::uint32_t> raw_dim = {};
  std::filesystem::path work;
};

/// The table of the collection's good rows by cosine: read from `work` if it is there and its search serves
/// options.knn, extended from the longest kept beginning of the shards whose table serves, or built; then kept. Equal
/// to a full build in every case where the searches are exact. Throws Error (input) when fewer than two rows are good.
KeptGraph keep_graph(Context& context, const Collection& collection, const KeepOptions& options);

/// The descriptors of the nodes, read from the shards.
class NodeRows {
 public:
  NodeRows(const Collection& collection, const KeepOptions& options, const std::vector<std::uint32_t>& bad_rows);
  RowSource& operator*() { return *good_; }

 private:
  std::unique_ptr<RowSource> all_, good_;
};

/// The most that keep_graph (when it has to build) allocates with all descriptors in memory.
MemoryPlan keep_graph_memory(const Collection& collection, const KeepOptions& options);

/// How the rows are streamed through scratch files (lowshot/knn_streamed.h) in `memory` bytes; nothing where they fit.
/// keep_graph does it when keep_graph_memory exceeds context.memory_limit (or what is free). Then no kept beginning is
/// extended.
std::optional<StreamedKnnPlan> plan_streamed_graph(const Collection& collection, const KeepOptions& options,
                                                   std::uint64_t memory);

}  // namespace lowshot
