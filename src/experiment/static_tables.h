#pragma once
// The tables that no seed and no nlabeled changes: made once for a data set, class set and setting, and kept in --work
// beside the background's (docs/files.md).

#include <filesystem>
#include <optional>
#include <vector>

#include "knn/table_search.h"
#include "lowshot/experiment.h"
#include "lowshot/io.h"

namespace lowshot {

struct StaticTables {
  KnnTable rows;              ///< static rows among themselves, options.knn.k wide
  KnnTable tests;             ///< test rows among the static rows
  std::vector<NodeId> order;  ///< in which graphs keep the static rows; may be empty
};

/// What the files are called below the data or work directory, but for what each of them is: by class set, setting,
/// recipe (`automatic` settled) and background. `background_rows`: how many there are.
std::filesystem::path static_name(const ExperimentOptions& options, Recipe recipe, std::uint64_t background_rows);

/// Kept tables of this name, k and search, as a plan looks for them: what rows they come from is not compared. The file
/// beside which their side-car stands.
std::optional<std::filesystem::path> find_static_tables(const DataDirectory& directory,
                                                        const std::filesystem::path& name, const KnnOptions& knn);

/// What tables are made from: these rows themselves, whatever files and maps they come from, and a table of the first
/// of them that was found elsewhere, if there is one. A pass over the rows, 30 GB/s.
Origin origin_of_static(MatrixView<const float> rows, MatrixView<const float> tests, const KnnOptions& knn,
                        const std::optional<KnnFiles>& published);

/// Kept tables that have this origin and a search that serves; nothing where there are none. Ones that are stale, not
/// good enough or damaged (their content's hash is another) are passed over with a sentence in the log.
std::optional<StaticTables> read_static_tables(Context& context, const DataDirectory& directory,
                                               const std::filesystem::path& name, const Origin& origin,
                                               const KnnOptions& knn, std::uint64_t rows, std::uint64_t tests);

/// Keeps them below directory.work, the side-car last. They can be made again, so where they cannot be written a
/// sentence in the log says so, and that is all.
void keep_static_tables(Context& context, const DataDirectory& directory, const std::filesystem::path& name,
                        Origin origin, const TableSearch& search, const StaticTables& tables);

}  // namespace lowshot
