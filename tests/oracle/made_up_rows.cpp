#include "oracle/made_up_rows.h"

#include <cmath>
#include <random>

namespace oracle {
namespace {

void make_unit(MadeUpRows& rows) {
  for (std::size_t i = 0; i < rows.n; ++i) {
    double square = 0;
    for (std::size_t j = 0; j < rows.d; ++j) square += double{rows.row(i)[j]} * rows.row(i)[j];
    for (std::size_t j = 0; j < rows.d; ++j)
      rows.row(i)[j] = square > 0 ? static_cast<float>(rows.row(i)[j] / std::sqrt(square)) : 1.0f;
  }
}

}  // namespace

const char* name(Shape shape) {
  switch (shape) {
    case Shape::gaussian:
      return "gaussian";
    case Shape::unit:
      return "unit";
    case Shape::clustered:
      return "clustered";
    case Shape::skewed:
      return "skewed";
    case Shape::one_huge:
      return "one_huge";
    case Shape::tiny:
      return "tiny";
    case Shape::vanishing:
      return "vanishing";
    case Shape::far_from_zero:
      return "far_from_zero";
    case Shape::constant_rows:
      return "constant_rows";
    case Shape::all_equal:
      return "all_equal";
    case Shape::outliers:
      return "outliers";
  }
  return "";
}

MadeUpRows make_rows(Shape shape, std::size_t n, std::size_t d, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> gaussian;
  MadeUpRows rows{n, d, std::vector<float>(n * d)};
  for (float& value : rows.values) value = gaussian(random);
  const std::size_t groups = static_cast<std::size_t>(std::sqrt(static_cast<double>(n))) + 1;
  std::vector<float> centres(groups * d);
  for (float& value : centres) value = gaussian(random);

  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < d; ++j) {
      float& value = rows.row(i)[j];
      switch (shape) {
        case Shape::gaussian:
        case Shape::unit:
          break;
        case Shape::clustered:
          value = centres[i % groups * d + j] + 0.4f * value;
          break;
        case Shape::skewed:
          value *= std::pow(10.0f, -4.0f * static_cast<float>(j) / static_cast<float>(d));
          break;
        case Shape::one_huge:
          if (j == d / 2) value *= 10000;
          break;
        case Shape::tiny:
          value *= 1e-15f;
          break;
        case Shape::vanishing:
          value *= 1e-22f;
          break;
        case Shape::far_from_zero:
          value += 100;
          break;
        case Shape::constant_rows:
          value = rows.row(i)[0];
          break;
        case Shape::all_equal:
          value = rows.row(0)[j];
          break;
        case Shape::outliers:
          value = (i % 50 == 49 ? -1.0f : 1.0f) * (centres[j] + 0.01f * value);
          break;
      }
    }
  if (shape == Shape::unit || shape == Shape::clustered) make_unit(rows);
  return rows;
}

}  // namespace oracle
