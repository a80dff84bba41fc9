#include "diffusion/step.h"

namespace lowshot::diffusion {
namespace {
#include "diffusion/step_kernel.h"
}  // namespace

void step_avx2(const StepTask& task, const std::uint32_t* rows, std::size_t begin, std::size_t end) {
  step_any(task, rows, begin, end);
}

}  // namespace lowshot::diffusion
