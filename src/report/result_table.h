#pragma once
// The paper's table from result files: rows are numbers of labels, columns methods and backgrounds, cells means and
// population standard deviations over seeds. Pure: results in, table out.

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "experiment/columns.h"
#include "lowshot/evaluation.h"
#include "lowshot/results.h"

namespace lowshot {

/// Which of the scored iterations a cell shows.
struct IterationChoice {
  enum class Kind {
    automatic,  ///< last for test, best for val
    last,       ///< of each run: what a test run with a chosen length is for
    best,       ///< the settings and the iteration with the highest mean of top5_all, the same for all seeds; on test
                ///< classes that is no honest number
    number,
  };
  Kind kind = Kind::automatic;
  std::uint32_t number = 0;
};

struct TableOptions {
  std::string mode = "test";  ///< or "val"
  IterationChoice iteration = {};
};

/// Mean and population standard deviation in percent.
struct Cell {
  MeanStd all, novel, top1_all, top1_novel;
  std::vector<std::uint32_t> seeds;                       ///< rising
  std::uint32_t first_iteration = 0, last_iteration = 0;  ///< of the seeds; equal where they agree
  Settings settings;                                      ///< of the runs (telling_settings)
};

/// Mean accuracies over the seeds of the runs of a cell, iteration by iteration, in percent.
struct CurvePoint {
  std::uint32_t iteration = 0;
  double all = 0, novel = 0;
};

/// What the runs of a column took: means over its results, and the largest peak.
struct Cost {
  double run_seconds = 0;
  std::map<std::string, double> phase_seconds;  ///< of the unit that a run was part of
  std::uint64_t peak_rss_bytes = 0;
  std::uint64_t nodes = 0, edges = 0;  ///< largest
  std::string device;
};

struct ResultTable {
  std::string mode;
  std::string iteration;  ///< in words: which one the cells show
  std::vector<std::uint32_t> nlabeled;
  std::vector<Column> columns;
  std::vector<std::vector<std::optional<Cell>>> cells;       ///< [nlabeled][column]
  std::vector<std::vector<std::vector<CurvePoint>>> curves;  ///< [nlabeled][column], of the runs that the cell shows
  std::vector<Cost> costs;                                   ///< a column
  std::vector<std::uint32_t> seeds;                          ///< of all cells
  std::uint32_t classes = 0;
  std::vector<std::string> notes;  ///< sentences: seeds that are missing, results that appear twice, unreached rows
};

/// In test mode runs of one cell that differ in a setting come into columns of their own (Column::variant); in val mode
/// the best of them is shown, as `lowshot select` would choose it. Throws Error (input) where no result is of the mode,
/// or none holds the iteration asked for.
ResultTable make_table(std::span<const ExperimentResult> results, const TableOptions& options);

}  // namespace lowshot
