#pragma once
// What a run of `lowshot label` will do and take.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "label/kept_graph.h"
#include "label_job.h"
#include "lowshot/memory.h"

namespace lowshot::cli {

/// Slice, parts and sample such that labelling fits `limit` bytes, or the smallest ones.
LabelOptions fitting_options(const LabelJob& job, const LabelOptions& options, const Variant& variant,
                             std::uint64_t limit);

/// The larger of the two stages: building the graph (streamed where the descriptors do not fit), and labelling with it.
MemoryPlan label_memory(const LabelJob& job, const LabelCommand& command,
                        const std::optional<StreamedKnnPlan>& streamed);

/// Prints steps, memory and time for --dry-run.
void print_label_plan(Context& context, const LabelJob& job, const LabelCommand& command, const MemoryPlan& memory,
                      const std::optional<StreamedKnnPlan>& streamed);

}  // namespace lowshot::cli
