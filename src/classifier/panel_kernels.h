#pragma once
// The kernels of the regression. Weights lie in panels of 32 classes: panel p holds inputs x 32 values, input by
// input, so that both products run along classes and read weights in one stream:
//   z[b][c]  = sum_k x[b][k] w[k][c]      (logits)
//   g[k][c]  = sum_b x[b][k] p[b][c]      (gradient), and at once  w <- w - rate (g + decay w)
// The bias is the weight of a last input that is always 1. Every element is one chain of fused multiply-adds in a fixed
// order: the bits depend neither on threads nor on the instruction set. Plain pointers, so that the files of an
// instruction set instantiate no library template.

#include <cstddef>
#include <cstdint>

#include "lowshot/context.h"

namespace lowshot::classifier {

inline constexpr std::uint32_t panel_classes = 32;   ///< 2 registers of 16; 507 classes fill 16 panels to 99 %
inline constexpr std::uint32_t batch_multiple = 16;  ///< arrays over the batch are padded to it

/// A minibatch: batch x inputs floats, `stride` from row to row.
struct BatchView {
  const float* x;
  std::size_t stride;
  std::uint32_t batch;
};

struct StepSizes {
  float rate, decay, momentum;
};

struct PanelKernels {
  /// Inputs first .. last-1 of a panel are added to z (batch x 32); first == 0: z is set.
  void (*logits)(const BatchView& x, const float* panel, std::uint32_t first, std::uint32_t last, float* z);
  /// z -> e^(z - max) for one panel; its row maxima and sums. Columns from `classes` on become 0.
  void (*exponentials)(float* z, std::uint32_t batch, std::uint32_t classes, float* maxima, float* sums);
  /// Maxima and sums of all panels (panels x pitch) -> those of all classes, in the order of the panels.
  void (*join)(const float* maxima, const float* sums, std::uint32_t panels, std::uint32_t pitch, float* maximum,
               float* sum);
  /// e -> e * e^(panel's maximum - maximum) / sum * weight: a panel's probabilities times `weight`.
  void (*probabilities)(float* e, std::uint32_t batch, const float* panel_maxima, const float* maximum,
                        const float* sum, float weight);
  /// The gradient's product and the step, for inputs first .. last-1 of a panel. `velocity` (as `panel`) is null
  /// without momentum.
  void (*update)(const BatchView& x, const float* p, std::uint32_t first, std::uint32_t last, const StepSizes& sizes,
                 float* panel, float* velocity);
};

PanelKernels panel_kernels(Isa isa);
PanelKernels panel_kernels_avx2();
PanelKernels panel_kernels_avx512();

}  // namespace lowshot::classifier
