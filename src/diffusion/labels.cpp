#include "diffusion/labels.h"

#include <fmt/format.h>

#include "lowshot/error.h"

namespace lowshot::diffusion {

void require_labels(const GraphView& graph, std::span<const std::int32_t> labels, std::uint32_t classes) {
  if (labels.size() != graph.nodes())
    throw Error(ErrorKind::input, fmt::format("{} labels for a graph of {} nodes", labels.size(), graph.nodes()));
  if (classes == 0) throw Error(ErrorKind::input, "diffusion needs at least one class");
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] < -1 || labels[i] >= static_cast<std::int64_t>(classes))
      throw Error(ErrorKind::input,
                  fmt::format("node {} has class {}, classes are 0 to {}", i, labels[i], classes - 1));
}

}  // namespace lowshot::diffusion
