#pragma once
// What every entry of the diffusion asks of its labels.

#include <cstdint>
#include <span>

#include "lowshot/graph.h"

namespace lowshot::diffusion {

/// Throws Error (input) unless there is one label a node, each -1 or a class below `classes`, and at least one class.
void require_labels(const GraphView& graph, std::span<const std::int32_t> labels, std::uint32_t classes);

}  // namespace lowshot::diffusion
