#include "lowshot/descriptors.h"

#include "core/half.h"

namespace lowshot {

const float* DescriptorView::load(std::size_t i, float* buffer) const {
  if (!is_half_) return single_.row(i);
  convert(half_.row(i), buffer, cols());
  const float scale = factor(i);
  for (std::size_t j = 0; j < cols(); ++j) buffer[j] *= scale;
  return buffer;
}

DescriptorView DescriptorView::rows(std::size_t begin, std::size_t end) const {
  if (!is_half_) return DescriptorView(single_.rows(begin, end));
  return {half_.rows(begin, end), factor_.empty() ? factor_ : factor_.subspan(begin, end - begin)};
}

}  // namespace lowshot
