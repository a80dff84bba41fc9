#pragma once
// What the streamed search holds at once: every size follows from the memory it is given.

#include <cstdint>

#include "lowshot/knn_streamed.h"

namespace lowshot::knn {

/// By cells. `cells` of a stage that comes before the cells are known: the most there can be.
struct CellLayout {
  std::uint64_t capacity = 0;      ///< rows of a cell
  std::uint64_t record_bytes = 0;  ///< of a row in a cell's file: id, factor, values
  std::uint64_t run_bytes = 0;     ///< of a row in a cell's table: id, k ids, k similarities
  std::uint64_t sample_rows = 0;   ///< that the cells are trained on
  std::uint64_t queries = 0;       ///< whose true neighbours are searched
  std::uint64_t truth_block = 0;   ///< rows searched at a time
  std::uint64_t fill_block = 0;    ///< rows read at a time when cells are filled
  std::uint64_t merge_block = 0;   ///< rows of the table that are merged at a time
  std::uint64_t buffers = 0;       ///< bytes for the buffers of all cells together
  KnnOptions inner;                ///< of build_knn in a cell
  double coverage = 0;             ///< share of the true pairs that are to meet in a cell
};
CellLayout cell_layout(std::uint64_t rows, std::uint32_t dim, bool half, const StreamedKnnOptions& options);

/// By blocks: `outer` rows take neighbours while all rows pass by, `inner` at a time.
struct BlockLayout {
  std::uint64_t outer = 0, inner = 0;
};
BlockLayout block_layout(std::uint64_t rows, std::uint32_t dim, const StreamedKnnOptions& options);

/// Rows begin .. of a source as they are compared: checked, and normalised if the options say so.
void read_compared(RowSource& source, std::uint64_t begin, MatrixView<float> out, bool normalise);

/// The exact method; the report's parts are its blocks.
StreamedKnnReport build_by_blocks(Context& context, RowSource& source, const KnnFiles& files,
                                  const StreamedKnnOptions& options);

/// The rows of a table in order, each at its place (StreamedKnnOptions::places).
class PlacedWriter {
 public:
  PlacedWriter(const KnnFiles& files, std::uint64_t rows, const StreamedKnnOptions& options);
  void append(const KnnTable& table);
  void commit();

 private:
  std::span<const NodeId> places_;
  std::uint64_t table_rows_, next_ = 0, placed_ = 0;  // next row of the table, rows taken so far
  KnnWriter writer_;
};

}  // namespace lowshot::knn
