#pragma once
// Rows of descriptors in memory as their file stores them.

#include "lowshot/descriptors.h"
#include "lowshot/matrix.h"

namespace lowshot {

/// float16 stays float16; one of the two is empty.
struct RawRows {
  Matrix<float> single;
  Matrix<Half> half;

  DescriptorView view() const {
    if (half.rows() != 0) return {half.view(), {}};
    return DescriptorView(single);
  }
};

}  // namespace lowshot
