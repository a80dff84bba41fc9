#pragma once
// Images as the extraction sees them: decoded to RGB as Pillow's `Image.open(..).convert("RGB")` gives them, resized
// and cropped as torchvision's Scale and CenterCrop do on Pillow images.

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "lowshot/matrix.h"

namespace lowshot {

/// height x (3 width) bytes, row-major, R G B of a pixel together.
struct Image {
  std::uint32_t width = 0, height = 0;
  Matrix<std::uint8_t> pixels;
};

/// The file formats that this build reads, e.g. {"JPEG", "PNG"}.
std::vector<std::string> image_formats();

/// Decodes a whole image file; the format is told by its first bytes, never by a name. Grayscale, palette, CMYK, 16-bit
/// and alpha images become RGB as Pillow converts them; an EXIF orientation is not applied (Pillow does not either).
/// Throws Error (input) with the reason, without a name (the caller knows it): no image of a known format, damaged,
/// cut off, or more than 178,956,970 pixels (where Pillow refuses, too). Thread-safe; allocates the image and what its
/// decoder needs, nothing larger than 3 bytes a pixel before the header has been checked.
Image decode_image(std::span<const std::byte> bytes);

/// What happens to an image before the network: shorter side to `scale` (bilinear with antialiasing, in 8 bits, as
/// Pillow resizes), the `crop` x `crop` pixels in the middle, /255, (x - mean) / deviation.
struct ImageTransform {
  std::uint32_t scale = 256;  ///< 0: not resized
  std::uint32_t crop = 224;
  std::array<float, 3> mean{0.485F, 0.456F, 0.406F};
  std::array<float, 3> deviation{0.229F, 0.224F, 0.225F};
};

/// Resizes and crops; `out` holds crop x crop x 3 bytes, R G B of a pixel together. At most one level a channel from
/// Pillow's. Only pixels that the crop keeps are computed, so a 1 x 10000 image needs no 256 x 2560000 one. An image
/// smaller than the crop (possible without scaling) is padded with black, as torchvision's CenterCrop does.
/// Thread-safe.
void crop_image(const ImageTransform& transform, const Image& image, std::uint8_t* out);

}  // namespace lowshot
