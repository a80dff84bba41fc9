#include "classifier/panels.h"

#include <cstring>

namespace lowshot::classifier {

Panels pack(const SoftmaxModel& model) {
  Panels panels;
  panels.classes = static_cast<std::uint32_t>(model.classes());
  panels.inputs = static_cast<std::uint32_t>(model.weights.cols());
  panels.count = (panels.classes + panel_classes - 1) / panel_classes;
  panels.values = Matrix<float>::zeroed(std::size_t{panels.count} * panels.inputs, panel_classes);
  for (std::uint32_t c = 0; c < panels.classes; ++c) {
    float* column = panels.panel(c / panel_classes) + c % panel_classes;
    for (std::size_t k = 0; k < panels.inputs; ++k) column[k * panel_classes] = model.weights(c, k);
  }
  return panels;
}

void unpack(const Panels& panels, SoftmaxModel& model) {
  for (std::uint32_t c = 0; c < panels.classes; ++c) {
    const float* column = panels.panel(c / panel_classes) + c % panel_classes;
    for (std::size_t k = 0; k < panels.inputs; ++k) model.weights(c, k) = column[k * panel_classes];
  }
}

std::size_t batch_stride(std::size_t dim) {
  const std::size_t lines = (dim + 1 + 15) / 16;
  return (lines | 1) * 16;
}

void gather(const DescriptorView& rows, std::size_t i, float* to) {
  const float* row = rows.load(i, to);
  if (row != to) std::memcpy(to, row, rows.cols() * sizeof(float));
  to[rows.cols()] = 1;
}

}  // namespace lowshot::classifier
