#include "diffusion/step.h"

namespace lowshot::diffusion {

template <typename T>
StepKernel<T> step_kernel(Isa isa) {
  return has_avx512(isa) ? static_cast<StepKernel<T>>(step_avx512) : static_cast<StepKernel<T>>(step_avx2);
}

template StepKernel<float> step_kernel<float>(Isa isa);
template StepKernel<Half> step_kernel<Half>(Isa isa);

}  // namespace lowshot::diffusion
