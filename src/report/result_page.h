#pragma once
// The page of `lowshot report`: the table, how accuracy moves with iterations, labels and background, and what it took.

#include <string>
#include <vector>

#include "report/paper_table.h"
#include "report/result_table.h"

namespace lowshot {

struct ResultPage {
  std::string title = "Results";
  /// Tables of one data set; the first is the one that was asked for, others (validation beside test) give further
  /// curves.
  std::vector<ResultTable> tables;
  std::vector<Comparison> comparisons = {};  ///< with the paper; of the first table
};

/// One HTML file without outside parts.
std::string result_page(const ResultPage& page);

}  // namespace lowshot
