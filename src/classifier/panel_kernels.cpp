#include "classifier/panel_kernels.h"

#include "lowshot/error.h"

namespace lowshot::classifier {

PanelKernels panel_kernels(Isa isa) {
  switch (isa) {
    case Isa::avx2:
      return panel_kernels_avx2();
    case Isa::avx512vnni:
      return panel_kernels_avx512();
  }
  throw Error(ErrorKind::device, "unknown instruction set");
}

}  // namespace lowshot::classifier
