// Resizing and cropping in one: torchvision's Scale and CenterCrop on a Pillow image. The filter is Pillow's BILINEAR:
// a triangle, widened by the factor of a reduction. Pillow works in integers and rounds to 8 bits after the rows and
// again after the columns; here values stay float32 between and are rounded once, so a channel is within one level of
// Pillow's and within half a level of the exact value. Descriptors follow the exact one: on 1,200 enlarged 32 x 32
// images the lowest cosine to descriptors whose resizing rounded once is 0.99999, and 0.9993 when rounded as Pillow
// does. Only what the crop keeps is computed, so a pass costs crop x taps products a row.
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
  Filter filter;
  filter.taps = std::min<std::uint64_t>(static_cast<std::uint64_t>(std::ceil(support)) * 2 + 1, from);
  filter.first.resize(kept.count);
  filter.weights.assign(kept.count * filter.taps, 0.0F);
  std::vector<double> exact(filter.taps);
  for (std::uint64_t i = 0; i < kept.count; ++i) {
    const double centre = (static_cast<double>(kept.begin + i) + 0.5) * step;
    const auto begin = static_cast<std::uint64_t>(std::max(centre - support + 0.5, 0.0));
    const auto end = std::min(static_cast<std::uint64_t>(centre + support + 0.5), from);
    double sum = 0;
    for (std::uint64_t t = begin; t < end; ++t) {
      const double distance = std::abs((static_cast<double>(t) - centre + 0.5) * narrow);
      exact[t - begin] = distance < 1 ? 1 - distance : 0;
      sum += exact[t - begin];
    }
    // The window is moved back where its unused taps would reach over the side's end, so that all may be read.
    const std::uint64_t first = std::min(begin, from - filter.taps);
    float* weights = &filter.weights[i * filter.taps + (begin - first)];
    for (std::uint64_t t = 0; t < end - begin; ++t) weights[t] = static_cast<float>(exact[t] / sum);
    filter.first[i] = first;
  }
  filter.begin = filter.first.front();
  filter.end = filter.first.back() + filter.taps;
  return filter;
}

/// A row: out[i] = sum of weights x in[first[i] + t]. `wide` has room for 4 values a pixel that is used.
void filter_row(const Filter& filter, const std::uint8_t* in, float* wide, float* out) {
  // Four values a pixel, the fourth unused, so that a pixel's product is one vector instruction.
  for (std::uint64_t x = filter.begin; x < filter.end; ++x) {
    for (std::size_t c = 0; c < 3; ++c) wide[4 * (x - filter.begin) + c] = in[3 * x + c];
  }
  const float* weights = filter.weights.data();
  for (std::size_t i = 0; i < filter.first.size(); ++i) {
    const float* pixel = wide + 4 * (filter.first[i] - filter.begin);
    float sum[4] = {0, 0, 0, 0};
    for (std::size_t t = 0; t < filter.taps; ++t, ++weights, pixel += 4) {
      for (std::size_t c = 0; c < 4; ++c) sum[c] += *weights * pixel[c];
    }
    for (std::size_t c = 0; c < 3; ++c) out[3 * i + c] = sum[c];
  }
}

/// A column of rows: out = sum of weights[t] x row t, rows `count` values apart.
void filter_rows(const float* weights, std::size_t taps, const float* in, float* sums, std::uint8_t* out,
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
  std::vector<float> wide(4 * (across.end - across.begin));
  for (std::uint64_t y = down.begin; y < down.end; ++y) {
    filter_row(across, image.pixels.row(y), wide.data(), narrowed.row(y - down.begin));
  }
  std::vector<float> sums(width);
  for (std::size_t y = 0; y < rows.count; ++y) {
    filter_rows(&down.weights[y * down.taps], down.taps, narrowed.row(down.first[y] - down.begin), sums.data(),
                target(y), width);
  }
}

}  // namespace lowshot
