#pragma once
// The weights as the kernels read them (panel_kernels.h), and how a product goes over a panel.

#include <algorithm>
#include <cstdint>

#include "classifier/panel_kernels.h"
#include "lowshot/descriptors.h"
#include "lowshot/logreg.h"

namespace lowshot::classifier {

/// Inputs of a panel that are multiplied before the next ones. 132 x 32 floats are 17 KB: beside a minibatch's
/// probabilities (16 KB at 128 rows) they stay in a first-level cache between update and next logits; a multiple of 12,
/// the kernels' tile.
inline constexpr std::uint32_t input_block = 132;

struct Panels {
  std::uint32_t classes = 0, inputs = 0, count = 0;  ///< inputs: D + 1, the last is the bias's
  Matrix<float> values;                              ///< (count * inputs) x panel_classes; unused columns are 0

  float* panel(std::size_t p) { return values.row(p * inputs); }
  const float* panel(std::size_t p) const { return values.row(p * inputs); }
  std::uint32_t classes_of(std::uint32_t p) const { return std::min(panel_classes, classes - p * panel_classes); }
};

Panels pack(const SoftmaxModel& model);
void unpack(const Panels& panels, SoftmaxModel& model);

/// Floats from row to row of a minibatch: D, the bias's 1, and what keeps rows from falling on the same lines of a
/// cache (an odd number of lines).
std::size_t batch_stride(std::size_t dim);

/// Row i of the descriptors, float32, and the bias's 1 behind it.
void gather(const DescriptorView& rows, std::size_t i, float* to);

}  // namespace lowshot::classifier
