#pragma once
// What `diffusion` and `logreg` print and write of their runs.

#include <string>
#include <vector>

#include "common.h"
#include "lowshot/experiment.h"

namespace lowshot::cli {

/// {iteration, accuracies, seconds, memory_bytes}; accuracies are fractions.
Json iteration_json(const IterationResult& iteration);
/// One run: its fields; several: {"runs": [..]}.
Json runs_json(const std::vector<RunResult>& runs);

/// A line on stdout, `run` (which of several) first.
void print_iteration(const IterationResult& iteration, const std::string& run);

/// CSV row,class,predicted,top1..: row of val.hdf5; 0-based ids of the data set; -1: no label reached the row.
void write_predictions(const std::string& path, const ClassSet& set, const TopClasses& top);

}  // namespace lowshot::cli
