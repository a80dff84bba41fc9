#include "classifier/panel_kernels.h"

namespace lowshot::classifier {

PanelKernels panel_kernels(Isa isa) {
  return has_avx512(isa) ? panel_kernels_avx512() : panel_kernels_avx2();
}

}  // namespace lowshot::classifier
