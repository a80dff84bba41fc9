#pragma once
// The background of an experiment: where its rows come from, and its k-NN table (stored, or built and kept).

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "experiment/pca_choice.h"
#include "knn/table_search.h"
#include "lowshot/io.h"
#include "lowshot/knn_table.h"

namespace lowshot {

struct Background {
  std::unique_ptr<RowSource> source;  ///< exactly the rows asked for
  bool mapped = false;                ///< already PCA'd
  std::vector<fs::path> files;        ///< what it is read from
  std::string name;                   ///< for the log
};

/// The rows that --nbg / --background ask for; an empty source when they ask for none. In the data directory's own PCA
/// the order of preference is concatenated_PCAR256.raw, knngraph/ndis<N>.index, then the blocks. `dim`: of the
/// descriptors; `pca_dim`: what the PCA makes of it; `pca`: if given, a .raw of --work that comes from other blocks or
/// another PCA is passed over. Throws Error (input) when there are fewer rows than asked for.
Background open_background(const DataDirectory& directory, const ExperimentOptions& options, std::uint32_t dim,
                           std::uint32_t pca_dim, const ChosenPca* pca = nullptr);

/// What concatenated_PCAR256.raw is made of.
Origin origin_of_rows(const DataDirectory& directory, const ChosenPca& pca);

struct BackgroundTable {
  KnnTable table;      ///< at least options.knn.k wide
  TableSearch search;  ///< of a published table, of which nothing is known: exact, so that others' is the weaker one
};

/// The table of the background's rows: the data directory's, else the one kept in --work if it was made from these
/// files and its search serves options.knn, else built and kept under the original's names.
BackgroundTable background_table(Context& context, const DataDirectory& directory, const ExperimentOptions& options,
                                 const Background& background, const ChosenPca& pca, MatrixView<const float> rows);

/// A table without a side-car that background_table takes as it is.
std::optional<KnnFiles> published_table(const DataDirectory& directory, const ExperimentOptions& options,
                                        std::uint64_t rows);

/// Builds the table, stored_k(options.knn.k) wide, and keeps it at `place`, if there is one.
KnnTable build_and_keep(Context& context, const std::optional<fs::path>& place, const ExperimentOptions& options,
                        const Background& background, const ChosenPca& pca, MatrixView<const float> rows,
                        KnnReport* report = nullptr);

/// The search behind a kept table, if it was made from these rows with these options (but for the search's).
std::optional<TableSearch> search_of_kept(const fs::path& ids, const ExperimentOptions& options,
                                          const Background& background, const ChosenPca& pca, std::uint64_t rows);

/// Name of the stored table below the data or work directory.
fs::path background_prefix(const ExperimentOptions& options, const std::string& pca_name, std::uint64_t rows);

}  // namespace lowshot
