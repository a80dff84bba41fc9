#pragma once
// How long `lowshot label` will take, from the same work on a sample of the rows.

#include <cstdint>

#include "label/kept_graph.h"
#include "lowshot/context.h"
#include "lowshot/label.h"
#include "lowshot/time_plan.h"

namespace lowshot {

/// Reading, the graph (as if none were kept) and everything that is done with it. Takes a few seconds; sample sizes
/// are such that it holds less than `keep_graph_memory` says.
TimePlan label_seconds(Context& context, const Collection& collection, const KeepOptions& keep, std::uint64_t labelled,
                       std::uint32_t classes, const LabelOptions& options);

}  // namespace lowshot
