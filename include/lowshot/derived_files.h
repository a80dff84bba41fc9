#pragma once
// The files that a data directory's descriptors are turned into, each made by itself, without an experiment: the PCA,
// the background after it, the background's graph. What is there and up to date is left alone.

#include <cstdint>
#include <filesystem>

#include "lowshot/context.h"
#include "lowshot/data_directory.h"
#include "lowshot/experiment.h"

namespace lowshot {

struct DerivedFile {
  std::filesystem::path path;
  std::uint64_t rows = 0;  ///< of what it is made from (PCA), or that it holds
  std::uint32_t dim = 0;   ///< values a row (PCA: directions; graph: neighbours)
  bool made = false;       ///< false: it was there, made from the same inputs with the same options
  KnnReport search = {};   ///< of a graph; of one that was there method and recall alone
};

// All three write below directory.work, side-car included, and throw Error (resources) before any work where that
// cannot be written, Error (usage) where a file without side-car (not made by this program) is in the way.

/// features/PCAR256.vt, or PCAR<dim>.vt: trained on block 0, without one on train.hdf5.
DerivedFile make_directory_pca(Context& context, const DataDirectory& directory, std::uint32_t dim = 256);

/// features/f100m/concatenated_PCAR256.raw: all blocks through the directory's PCA (made, too, where it is absent).
DerivedFile make_background_rows(Context& context, const DataDirectory& directory);

/// The table of the first options.background_rows background rows (protocol, section 4: build_graph), as `prepare`
/// would make it, under knngraph/. Of the options data, work, background_rows, background, knn and pca count.
DerivedFile build_background_graph(Context& context, const ExperimentOptions& options);

/// What `build_background_graph` would read, and the memory it would take.
ExperimentPlan plan_background_graph(const ExperimentOptions& options);
/// How long it would take on this machine. Takes a few seconds.
TimePlan background_graph_seconds(Context& context, const ExperimentOptions& options);

}  // namespace lowshot
