#pragma once
// Rows for tests: fixed seeds, shapes that have hurt searches like this one. Values are the test's own; nothing here
// comes from the library.

#include <cstddef>
#include <cstdint>
#include <vector>

namespace oracle {

/// n rows of d floats, one after another.
struct MadeUpRows {
  std::size_t n = 0, d = 0;
  std::vector<float> values;

  float* row(std::size_t i) { return values.data() + i * d; }
  const float* row(std::size_t i) const { return values.data() + i * d; }
};

enum class Shape {
  gaussian,       ///< independent N(0, 1)
  unit,           ///< gaussian, every row of norm 1
  clustered,      ///< unit rows about sqrt(n) centres, as descriptors of images are
  skewed,         ///< dimension j scaled by 10^(-4 j / d)
  one_huge,       ///< one dimension 10,000 times the others
  tiny,           ///< gaussian times 1e-15
  vanishing,      ///< gaussian times 1e-22: products fall among the subnormal floats
  far_from_zero,  ///< gaussian about a mean of 100 in every dimension
  constant_rows,  ///< every row one value repeated
  all_equal,      ///< every row the same
  outliers,       ///< rows near one point, each 50th its opposite
};
inline constexpr Shape all_shapes[] = {Shape::gaussian,      Shape::unit,      Shape::clustered, Shape::skewed,
                                       Shape::one_huge,      Shape::tiny,      Shape::vanishing, Shape::far_from_zero,
                                       Shape::constant_rows, Shape::all_equal, Shape::outliers};
const char* name(Shape shape);

MadeUpRows make_rows(Shape shape, std::size_t n, std::size_t d, std::uint32_t seed);

}  // namespace oracle
