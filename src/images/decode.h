#pragma once
// The decoders of single formats behind decode_image. Each throws Error (input) with a reason and without a name.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "lowshot/error.h"
#include "lowshot/image.h"

namespace lowshot::images {

/// Where Pillow refuses an image as a decompression bomb.
constexpr std::uint64_t max_pixels = 178'956'970;

[[noreturn]] void refuse(const std::string& reason);
/// Throws unless width x height is at least a pixel and at most max_pixels.
void check_size(std::uint64_t width, std::uint64_t height);

Image decode_jpeg(std::span<const std::byte> bytes);
Image decode_png(std::span<const std::byte> bytes);

}  // namespace lowshot::images
