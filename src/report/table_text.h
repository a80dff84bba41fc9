#pragma once
// A table of results as text: in the original's lines, aligned, as CSV.

#include <string>

#include "report/result_table.h"

namespace lowshot {

/// The original's lines under each column's name: "nl=1: 61.24 +/- 0.550, novel 43.54 +/- 0.952".
std::string original_lines(const ResultTable& table);

/// Two aligned tables, all test rows and those of novel classes; "-" where a cell is missing.
std::string aligned_tables(const ResultTable& table);

/// A line a cell, all numbers in percent; the numbers of a missing cell are empty.
std::string csv_of(const ResultTable& table);

/// "61.24 +/- 0.550", or "-".
std::string value_text(const std::optional<Cell>& cell, MeanStd Cell::*value);

}  // namespace lowshot
