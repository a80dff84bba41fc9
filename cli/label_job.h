#pragma once
// What `lowshot label` is asked, and the rows and labels it is asked about.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "common.h"
#include "label/kept_graph.h"
#include "lowshot/knn.h"
#include "lowshot/label.h"
#include "variant.h"

namespace lowshot::cli {

inline constexpr std::size_t most_named = 10;  ///< rows or classes that a message lists

struct LabelCommand {
  CommonOptions common;
  LabelOptions label;
  VariantOptions variant_texts;
  Variant variant;
  KnnOptions knn;  // k is label.k
  std::vector<std::string> descriptors, add, ids;
  std::string labels, labelled, out, work, report, images, match = "name", on_bad = "stop", format = "csv", scores,
                                                           recipe = "auto", prior = "auto";
  std::uint32_t dim = 0;
  std::uint32_t iterations = 0;
  double precision = 0, unknown = 0;
  bool relabel = false;
};

/// The rows that the answer is about, and those that only bring labels.
struct LabelJob {
  Collection collection;   ///< all of them, rows of --labelled last
  std::uint64_t rows = 0;  ///< without those
  std::optional<Names> ids;
  RowLabels labels;  ///< of every row of the collection

  std::uint32_t classes() const { return static_cast<std::uint32_t>(labels.classes.size()); }
  std::uint64_t labelled_rows() const;
};

/// Finds the shards, reads ids and labels. Errors: those of lowshot/label.h.
LabelJob open_label_job(const LabelCommand& command);

/// How the graph is built and where it is kept.
KeepOptions keep_options(const LabelCommand& command);

/// Error (input) that names bad rows with shard and id, unless they are to be skipped.
void require_good(const LabelJob& job, const std::vector<std::uint32_t>& bad, const std::string& on_bad);

}  // namespace lowshot::cli
