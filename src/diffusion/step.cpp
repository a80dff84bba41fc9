#include "diffusion/step.h"

#include "lowshot/error.h"

namespace lowshot::diffusion {

StepKernel step_kernel(Isa isa) {
  switch (isa) {
    case Isa::avx2:
      return step_avx2;
    case Isa::avx512vnni:
      return step_avx512;
  }
  throw Error(ErrorKind::device, "unknown instruction set");
}

}  // namespace lowshot::diffusion
