// Resizing and cropping in one: torchvision's Scale and CenterCrop on a Pillow image. The filter is Pillow's BILINEAR:
// a triangle, widened by the factor of a reduction. Pillow works in integers and rounds to 8 bits after the rows and
// again after the columns; here values stay float32 between and are rounded once, so a channel is within one level of
// Pillow's and within half a level of the exact value. Descriptors follow the exact one: on 1,200 enlarged 32 x 32
// images the lowest cosine to descriptors whose resizing rounded once is 0.99999, and 0.9993 when rounded as Pillow
// does. Only what the crop keeps is computed, so a pass costs crop x taps products a row.
#include <immintrin.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "lowshot/image.h"

namespace lowshot {
namespace {

std::uint8_t to_byte(float value) {
  return static_cast<std::uint8_t>(std::min(std::max(value + 0.5F, 0.0F), 255.0F));
}

struct Size {
  std::uint64_t width, height;
};

/// Shorter side to `scale`; the longer one is rounded down, as Python's int() does.
Size scaled(const ImageTransform& transform, const Image& image) {
  const Size size{image.width, image.height};
  if (transform.scale == 0 || std::min(size.width, size.height) == transform.scale) return size;
  const auto longer = [&](std::uint64_t by, std::uint64_t shorter) {
    return static_cast<std::uint64_t>(static_cast<double>(transform.scale * by) / static_cast<double>(shorter));
  };
  if (size.width < size.height) return {transform.scale, longer(size.height, size.width)};
  return {longer(size.width, size.height), transform.scale};
}

/// Which of `length` places the crop keeps: begin .. begin + count - 1, written from place `target` on.
struct Kept {
  std::uint64_t begin, count, target;
};

Kept middle(std::uint64_t length, std::uint64_t crop) {
  // Python rounds halves to even, as nearbyint does.
  const auto offset =
      static_cast<std::int64_t>(std::nearbyint((static_cast<double>(length) - static_cast<double>(crop)) / 2));
  if (offset >= 0) return {static_cast<std::uint64_t>(offset), std::min(crop, length - offset), 0};
  const auto target = static_cast<std::uint64_t>(-offset);
  return {0, std::min(length, crop - target), target};
}

/// What each kept place of a side is made of: `taps` weights from place first[i] on, those behind the end 0.
struct Filter {
  std::uint64_t begin = 0, end = 0;  ///< the places of the image that are used at all
  std::size_t taps = 0;
  std::vector<std::uint64_t> first;
  std::vector<float> weights;
};

Filter make_filter(std::uint64_t from, std::uint64_t to, const Kept& kept) {
  const double step = static_cast<double>(from) / static_cast<double>(to);
  const double support = std::max(step, 1.0);
  const double narrow = 1.0 / support;
  const auto centre = [&](std::uint64_t i) { return (static_cast<double>(kept.begin + i) + 0.5) * step; };
  const auto begin = [&](std::uint64_t i) {
    return static_cast<std::uint64_t>(std::max(centre(i) - support + 0.5, 0.0));
  };
  const auto end = [&](std::uint64_t i) {
    return std::min(static_cast<std::uint64_t>(centre(i) + support + 0.5), from);
  };

  Filter filter;
  for (std::uint64_t i = 0; i < kept.count; ++i) filter.taps = std::max(filter.taps, end(i) - begin(i));
  filter.first.resize(kept.count);
  filter.weights.assign(kept.count * filter.taps, 0.0F);
  std::vector<double> exact(filter.taps);
  for (std::uint64_t i = 0; i < kept.count; ++i) {
    const std::uint64_t window = begin(i), taps = end(i) - window;
    double sum = 0;
    for (std::uint64_t t = 0; t < taps; ++t) {
      const double distance = std::abs((static_cast<double>(window + t) - centre(i) + 0.5) * narrow);
      exact[t] = distance < 1 ? 1 - distance : 0;
      sum += exact[t];
    }
    // A short window is moved back where the taps that it lacks would reach over the side's end.
    filter.first[i] = std::min(window, from - filter.taps);
    float* weights = &filter.weights[i * filter.taps + (window - filter.first[i])];
    for (std::uint64_t t = 0; t < taps; ++t) weights[t] = static_cast<float>(exact[t] / sum);
  }
  filter.begin = filter.first.front();
  filter.end = filter.first.back() + filter.taps;
  return filter;
}

/// Two rows: out[r][i] = sum of weights x in[r][first[i] + t]. `wide` has room for 8 values a pixel that is used. Two,
/// because 4 values a pixel of each fill a vector: with plain loops, one row at a time, the crop of a 500 x 375 image
/// took 0.29 ms instead of 0.14 (Zen 4).
void filter_rows_across(const Filter& filter, const std::uint8_t* const (&in)[2], float* wide, float* const (&out)[2]) {
  // The fourth value is the next pixel's red and comes to nothing. The last pixel has no fourth byte behind it.
  const std::uint64_t last = filter.end - 1;
  for (std::size_t r = 0; r < 2; ++r) {
    const auto widen = [&](std::uint64_t x, const std::uint8_t* pixel) {
      std::int32_t bytes = 0;
      std::memcpy(&bytes, pixel, sizeof bytes);
      const __m128i values = _mm_cvtepu8_epi32(_mm_cvtsi32_si128(bytes));
      _mm_storeu_ps(wide + 8 * (x - filter.begin) + 4 * r, _mm_cvtepi32_ps(values));
    };
    for (std::uint64_t x = filter.begin; x < last; ++x) widen(x, in[r] + 3 * x);
    const std::uint8_t* end = in[r] + 3 * last;
    const std::uint8_t padded[4] = {end[0], end[1], end[2], 0};
    widen(last, padded);
  }
  const float* weights = filter.weights.data();
  for (std::size_t i = 0; i < filter.first.size(); ++i) {
    const float* pixel = wide + 8 * (filter.first[i] - filter.begin);
    __m256 sum = _mm256_setzero_ps();
    for (std::size_t t = 0; t < filter.taps; ++t, ++weights, pixel += 8) {
      sum = _mm256_add_ps(sum, _mm256_mul_ps(_mm256_set1_ps(*weights), _mm256_loadu_ps(pixel)));
    }
    float values[8];
    _mm256_storeu_ps(values, sum);
    for (std::size_t r = 0; r < 2; ++r) std::memcpy(out[r] + 3 * i, values + 4 * r, 3 * sizeof(float));
  }
}

/// A column of rows: out = sum of weights[t] x row t, rows `count` values apart.
void filter_rows_down(const float* weights, std::size_t taps, const float* in, float* sums, std::uint8_t* out,
                      std::size_t count) {
  std::fill_n(sums, count, 0.0F);
  for (std::size_t t = 0; t < taps; ++t, in += count) {
    const float weight = weights[t];
    for (std::size_t i = 0; i < count; ++i) sums[i] += weight * in[i];
  }
  for (std::size_t i = 0; i < count; ++i) out[i] = to_byte(sums[i]);
}

}  // namespace

void crop_image(const ImageTransform& transform, const Image& image, std::uint8_t* out) {
  const std::size_t crop = transform.crop;
  if (crop == 0) return;
  const Size size = scaled(transform, image);
  const Kept cols = middle(size.width, crop), rows = middle(size.height, crop);
  if (cols.count < crop || rows.count < crop) std::memset(out, 0, crop * crop * 3);
  const auto target = [&](std::size_t y) { return out + ((rows.target + y) * crop + cols.target) * 3; };
  if (size.width == image.width && size.height == image.height) {
    for (std::size_t y = 0; y < rows.count; ++y) {
      std::memcpy(target(y), image.pixels.row(rows.begin + y) + 3 * cols.begin, 3 * cols.count);
    }
    return;
  }

  const Filter across = make_filter(image.width, size.width, cols);
  const Filter down = make_filter(image.height, size.height, rows);
  const std::size_t width = 3 * cols.count;
  Matrix<float> narrowed(down.end - down.begin, width);
  std::vector<float> wide(8 * (across.end - across.begin));
  for (std::uint64_t y = down.begin; y < down.end; y += 2) {
    const std::uint64_t next = std::min(y + 1, down.end - 1);  // of an odd number, the last row twice
    filter_rows_across(across, {image.pixels.row(y), image.pixels.row(next)}, wide.data(),
                       {narrowed.row(y - down.begin), narrowed.row(next - down.begin)});
  }
  std::vector<float> sums(width);
  for (std::size_t y = 0; y < rows.count; ++y) {
    filter_rows_down(&down.weights[y * down.taps], down.taps, narrowed.row(down.first[y] - down.begin), sums.data(),
                     target(y), width);
  }
}

}  // namespace lowshot
