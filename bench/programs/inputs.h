#pragma once
// What the benchmark programs share: rows from a file or made on the spot, a table as a file of ids, the peak of
// memory.

#include <cstdint>
#include <string>
#include <vector>

#include "lowshot/knn_table.h"
#include "lowshot/matrix.h"

namespace lowshot::bench {

/// All rows of an .npy file, as they are.
Matrix<float> load_rows(const std::string& path);

/// rows x dim on the unit sphere in 100 clusters: what the programs run on when no file is named. Only for a look: it
/// has neither the spectrum nor the neighbourhoods of real descriptors (bench/data makes those).
Matrix<float> made_up_rows(std::size_t rows, std::size_t dim);

/// The first k columns of a stored table, named by its prefix (docs/files.md).
KnnTable load_table(const std::string& prefix, std::uint32_t k);

/// One class each for `labelled` nodes drawn at random (0: all), -1 for the others.
std::vector<std::int32_t> random_labels(std::size_t nodes, std::size_t labelled, std::uint32_t classes);

/// The rows of `table` of `count` nodes drawn at random, as the neighbours of test rows.
Matrix<NodeId> random_queries(const KnnTable& table, std::size_t count);

/// Forgets the process's peak of memory, so that peak_memory() is that of what comes next. Where the kernel does not
/// let it, the peak stays that of the whole process.
void reset_peak_memory();
std::uint64_t peak_memory();

}  // namespace lowshot::bench
