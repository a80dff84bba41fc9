#pragma once
// What the subcommands of `lowshot knn` share: the metric, rows in memory, tables by their prefix, how a search is
// told.

#include <CLI/CLI.hpp>
#include <span>
#include <string>

#include "common.h"
#include "inputs.h"
#include "lowshot/io.h"
#include "lowshot/knn.h"

namespace lowshot::cli {

struct MetricChoice {
  std::string name = "cosine";

  Metric metric() const { return name == "l2" ? Metric::l2 : Metric::inner_product; }
  bool normalise() const { return name == "cosine"; }
};

void add_metric(CLI::App& command, MetricChoice& choice);

/// --method (or --knn, as in other commands), --recall, and those for experts.
void add_search_and_effort(CLI::App& command, KnnOptions& options);

/// `options` as a table is built with them: k as files store it, the metric of `choice`.
KnnOptions search_options(KnnOptions options, const MetricChoice& choice);

/// "PREFIX_.. and .."
std::string names_of(const KnnFiles& files);

/// The stored table with at least k columns; Error (input) where there is none.
KnnFiles find_table(const std::string& prefix, std::uint32_t k);

/// The first `into.rows()` of `taken` (rising) rows of the source, normalised for the cosine; Error (input) for rows
/// that have no neighbours (infinite, NaN, for the cosine all zero).
void load_descriptors(Context& context, RowSource& source, const MetricChoice& choice, std::span<const NodeId> taken,
                      MatrixView<float> into);
/// All rows.
void load_descriptors(Context& context, RowSource& source, const MetricChoice& choice, MatrixView<float> into);

/// "method exact", or "method join: recall 0.953 on a sample of ..."; nothing more to say: no line.
void print_search(const KnnReport& report);

void add_extend(CLI::App& knn);
void add_search(CLI::App& knn);

}  // namespace lowshot::cli
