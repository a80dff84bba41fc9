#pragma once
// The k-NN table of rows that do not fit memory, streamed from a file to a file.
//
// By cells (the approximate method): the space is divided into overlapping cells that fit memory; every row goes to its
// cell, and to the neighbouring ones where it lies near a border, in scratch files; build_knn runs cell by cell; the
// rows' lists are merged. A share of a sample's true neighbour pairs, chosen from the wanted recall, meets in some
// cell. By blocks (the exact method): every block of rows against all rows, which are read once a block.

#include <cstdint>
#include <filesystem>
#include <span>

#include "lowshot/context.h"
#include "lowshot/io.h"
#include "lowshot/knn.h"
#include "lowshot/knn_time.h"
#include "lowshot/memory.h"
#include "lowshot/row_source.h"

namespace lowshot {

struct StreamedKnnOptions {
  KnnOptions knn = {};                 ///< method exact: by blocks; else by cells
  bool normalise = true;               ///< rows are normalised first: inner products are cosines
  std::uint64_t memory = 0;            ///< bytes that the call may allocate
  std::filesystem::path scratch = {};  ///< folder for what is between; made, and removed once the table is written
  Origin origin = {};                  ///< of rows and options: what is left of a killed call is used if it agrees
  /// Where rows stand in the table, and how many it has; the other rows of it are empty. Nothing: row i is row i.
  std::span<const NodeId> places = {};
  std::uint64_t table_rows = 0;
};

/// What a call will take, from the sizes alone.
struct StreamedKnnPlan {
  std::uint64_t rows_at_once = 0;   ///< of a cell or block
  std::uint64_t parts = 0;          ///< cells or blocks
  double copies = 1;                ///< of a row in the cells; as a rule of thumb, the rows' spread decides
  double passes = 0;                ///< over the rows' file
  std::uint64_t scratch_bytes = 0;  ///< at `copies`
  MemoryPlan memory;                ///< of the largest moment; within options.memory
};

/// Throws Error (resources) naming what would be enough when options.memory is too little for any plan.
/// `half`: the rows' file holds float16, which the cells keep.
StreamedKnnPlan plan_streamed_knn(std::uint64_t rows, std::uint32_t dim, bool half, const StreamedKnnOptions& options);

/// Seconds of build_knn_streamed beside reading: searching, and writing and reading scratch files, for which a few
/// megabytes are written to where options.scratch is or will be (and vanish).
double search_streamed_seconds(const KnnRates& rates, const StreamedKnnPlan& plan, std::uint64_t rows);
double scratch_seconds(const StreamedKnnPlan& plan, const StreamedKnnOptions& options);

struct StreamedKnnReport {
  double recall = 1;  ///< by cells: of a sample, counted as check_knn does
  std::uint64_t parts = 0, resumed_parts = 0;
  double copies = 1;
};

/// What was done, as build_knn reports it.
KnnReport facts_of(const StreamedKnnReport& report, const KnnOptions& knn);

/// Writes the table of all rows of `source` (k = options.knn.k columns of files.stored_k). By blocks it is build_knn's
/// to the last bit; by cells each list is exact or as good as build_knn's within the cells of its row. The same bytes
/// whatever the number of threads; options.memory decides the cells and so the result by cells. A call that was killed
/// after the cells were filled goes on with the next cell. Throws Error (resources) before the work when scratch files
/// will not fit the disk, Error (input) naming the row for values that are not finite or rows that are zero.
StreamedKnnReport build_knn_streamed(Context& context, RowSource& source, const KnnFiles& files,
                                     const StreamedKnnOptions& options);

}  // namespace lowshot
