#include "diffusion/step.h"

namespace lowshot::diffusion {

StepKernel step_kernel(Isa isa) {
  return has_avx512(isa) ? step_avx512 : step_avx2;
}

}  // namespace lowshot::diffusion
