// Beside Pillow: tests/cli/test_images.py. Here: the slow obvious filter, and what must hold without it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "lowshot/image.h"

namespace lowshot {
namespace {

Image made_up(std::uint32_t width, std::uint32_t height) {
  Image image{width, height, Matrix<std::uint8_t>(height, 3 * std::size_t{width})};
  std::uint32_t state = width * 31 + height;
  for (std::size_t i = 0; i < image.pixels.size(); ++i) {
    image.pixels.data()[i] = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
  }
  return image;
}

ImageTransform transform(std::uint32_t scale, std::uint32_t crop) {
  ImageTransform t;
  t.scale = scale;
  t.crop = crop;
  return t;
}

std::vector<std::uint8_t> cropped(const ImageTransform& t, const Image& image) {
  std::vector<std::uint8_t> out(std::size_t{3} * t.crop * t.crop, 77);
  crop_image(t, image, out.data());
  return out;
}

/// One place of a resized side: the weighted mean under a triangle as wide as the reduction.
double triangle(const std::vector<double>& values, double to, std::size_t place) {
  const double step = static_cast<double>(values.size()) / to, width = std::max(step, 1.0);
  const double centre = (static_cast<double>(place) + 0.5) * step;
  double sum = 0, weights = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double weight = std::max(0.0, 1 - std::abs(static_cast<double>(i) + 0.5 - centre) / width);
    sum += weight * values[i];
    weights += weight;
  }
  return sum / weights;
}

TEST(CropImage, WithinALevelOfTheExactTriangleFilter) {
  for (const auto& [width, height] : {std::pair{40U, 60U}, {61U, 47U}, {16U, 20U}}) {
    const Image image = made_up(width, height);
    const std::uint32_t scale = 32, crop = 28;
    const auto found = cropped(transform(scale, crop), image);
    const std::uint32_t to_width = width < height ? scale : scale * width / height;
    const std::uint32_t to_height = width < height ? scale * height / width : scale;
    const auto left = static_cast<std::uint32_t>(std::nearbyint((to_width - crop) / 2.0));
    const auto top = static_cast<std::uint32_t>(std::nearbyint((to_height - crop) / 2.0));
    for (std::uint32_t y = 0; y < crop; y += 3) {
      for (std::uint32_t x = 0; x < crop; x += 3) {
        std::vector<double> column;
        for (std::uint32_t row = 0; row < height; ++row) {
          std::vector<double> values;
          for (std::uint32_t i = 0; i < width; ++i) values.push_back(image.pixels(row, 3 * i + 1));
          column.push_back(triangle(values, to_width, left + x));
        }
        // Half a level of each of the two roundings.
        EXPECT_NEAR(found[3 * (y * crop + x) + 1], triangle(column, to_height, top + y), 1.0) << x << " " << y;
      }
    }
  }
}

TEST(CropImage, ShorterSideOfTheScaleIsCopied) {
  const Image image = made_up(50, 40);
  const auto found = cropped(transform(40, 30), image);
  for (std::size_t y = 0; y < 30; ++y) {
    for (std::size_t x = 0; x < 90; ++x) ASSERT_EQ(found[y * 90 + x], image.pixels(y + 5, x + 30));
  }
}

TEST(CropImage, OffsetsRoundHalvesToEven) {
  // (13 - 10) / 2 = 1.5 -> 2, (11 - 10) / 2 = 0.5 -> 0.
  const Image image = made_up(13, 11);
  const auto found = cropped(transform(0, 10), image);
  EXPECT_EQ(found[0], image.pixels(0, 6));
}

TEST(CropImage, SmallerImagesGetBlackEdges) {
  const Image image = made_up(3, 1);
  const auto found = cropped(transform(0, 8), image);
  // (3 - 8) / 2 = -2.5 -> -2, (1 - 8) / 2 = -3.5 -> -4.
  for (std::size_t y = 0; y < 8; ++y) {
    for (std::size_t x = 0; x < 8; ++x) {
      for (std::size_t c = 0; c < 3; ++c) {
        const bool inside = y == 4 && x >= 2 && x < 5;
        ASSERT_EQ(found[3 * (8 * y + x) + c], inside ? image.pixels(0, 3 * (x - 2) + c) : 0);
      }
    }
  }
}

TEST(CropImage, OneColourStaysItself) {
  for (const auto& [width, height] : {std::pair{1U, 1U}, {1U, 10000U}, {10000U, 1U}, {1999U, 1001U}, {300U, 300U}}) {
    Image image{width, height, Matrix<std::uint8_t>(height, 3 * std::size_t{width})};
    std::fill_n(image.pixels.data(), image.pixels.size(), 255);
    EXPECT_THAT(cropped(transform(256, 224), image), testing::Each(255)) << width << " x " << height;
  }
}

}  // namespace
}  // namespace lowshot
