#pragma once
// Descriptor files as options name them: several files as one, a range of rows, a dimension for files without header.

#include <CLI/CLI.hpp>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "common.h"
#include "knn/table_search.h"
#include "lowshot/experiment.h"
#include "lowshot/io.h"

namespace lowshot::cli {

struct RowInput {
  std::vector<std::string> files;
  std::string rows;       ///< A:B, rows A to B-1 of all files together
  std::uint32_t dim = 0;  ///< of files without header; 0 = not given

  std::unique_ptr<RowSource> open() const;
  /// Name and hash of every file; the same name twice is told apart.
  Origin origin() const;
};

/// Adds --rows and the option `dim_option` (--dim where that name is free, else --raw-dim).
void add_row_options(CLI::App& command, RowInput& input, const std::string& dim_option);

/// Adds --knn (in `lowshot knn` also called --method) and --recall.
CLI::Option* add_search_options(CLI::App& command, KnnOptions& options, const std::string& names = "--knn");
/// Adds --probes, --list-rows and --sample, for experts.
void add_effort_options(CLI::App& command, JoinEffort& effort);
/// Error (usage) for effort that no search would make use of.
void require_used(const KnnOptions& options);

/// {method, recall} of a table; with lists and probes where a join has just been done.
Json search_json(const TableSearch& search);
Json search_json(const KnnReport& report);

/// Whether `path` ends in .npy (RowWriter's and write_knn's other format is raw).
bool is_npy(const std::filesystem::path& path);

/// --pca: none, a .vt file, or a dimension; empty: the data directory's. Error (usage) for dimension 0.
PcaChoice parse_pca(const std::string& text);

/// --data, else the variable DDIR; may be empty.
std::filesystem::path data_directory(const std::string& option);

}  // namespace lowshot::cli
