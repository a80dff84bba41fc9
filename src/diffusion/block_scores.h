#pragma once
// U_t on its way from sparse rows to dense slices: for every row and block of 64 classes a mask of the classes that it
// holds, and its values without gaps. 2 bytes an entry instead of 4, and a slice of a row is written by shuffles, eight
// classes at a time, without a branch.

#include <cstdint>
#include <optional>
#include <vector>

#include "diffusion/reach.h"
#include "diffusion/slices.h"
#include "diffusion/sparse_scores.h"
#include "lowshot/graph.h"
#include "lowshot/matrix.h"

namespace lowshot::diffusion {

/// Rows in chunks, each chunk block after block: what a slice reads of a chunk lies together.
template <typename T>
struct BlockScores {
  static constexpr std::size_t chunk_rows = 64;
  std::size_t places = 0, blocks = 0;
  Array<std::uint64_t> masks;    ///< chunks x blocks x chunk_rows: bit c, row holds class c of the block
  Array<std::uint32_t> begins;   ///< chunks x blocks: where the block begins in the chunk's values
  std::vector<const T*> values;  ///< of each chunk: stored values, rows and classes rising
  std::vector<Array<T>> slabs;
};

/// What block_step may hold for `classes` classes: masks of a few cache lines a row.
inline constexpr std::uint32_t most_block_classes = 4096;

/// The same rows as sparse_step's. Nothing when they would take more than `most_bytes`.
template <typename T>
std::optional<BlockScores<T>> block_step(int threads, const GraphView& graph, const SparseScores<T>& u,
                                         std::uint32_t classes, const Reach& reach, std::uint32_t t,
                                         std::uint64_t most_bytes);

/// Writes a slice of the rows that are needed after step t into `dense` (places x slice.width, 0 behind the slice's
/// classes).
template <typename T>
void expand(int threads, const BlockScores<T>& u, const Slice& slice, MatrixView<T> dense, const Reach& reach,
            std::uint32_t t);

}  // namespace lowshot::diffusion
