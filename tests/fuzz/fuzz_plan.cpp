// Any bytes are a plan whose experiments can be listed, or an Error.
#include <cstdlib>

#include "fuzz/memory_file.h"
#include "lowshot/error.h"
#include "lowshot/plan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const fuzz::MemoryFile file(data, size);
  try {
    lowshot::Plan plan = lowshot::read_plan(file.path());
    lowshot::set_data(plan, "d");
    // Ranges multiply; what a million experiments take is not the question here.
    std::size_t most = 1;
    for (const lowshot::PlanGroup& group : plan.groups)
      for (const auto& [name, values] : group.axes) most *= values.size();
    for (const auto& [name, values] : plan.settings) most *= values.size();
    if (most > 1000) return 0;
    for (const lowshot::PlannedExperiment& e : lowshot::expand(plan))
      if (e.settings.count("nlabeled") == 0 || lowshot::result_path("r", e).empty()) std::abort();
  } catch (const lowshot::Error&) {
  }
  return 0;
}
