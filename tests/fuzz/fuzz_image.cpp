// Any bytes are an image or an Error; an image has the pixels that it says.
#include <cstdlib>
#include <vector>

#include "lowshot/error.h"
#include "lowshot/image.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Large images are read by design, and a few bytes can announce one; they would only make this slow. The size stands
  // at a fixed place of a PNG; of a JPEG, any pair of bytes above 1,000 behind a frame's marker is taken for it.
  if (size > 24 && data[0] == 0x89 && (data[16] | data[17] | data[20] | data[21]) != 0) return 0;
  for (std::size_t i = 0; i + 8 < size && data[0] == 0xff; ++i) {
    const bool frame = data[i] == 0xff && data[i + 1] >= 0xc0 && data[i + 1] <= 0xcf;
    if (frame && (data[i + 5] >= 4 || data[i + 7] >= 4)) return 0;
  }
  try {
    const lowshot::Image image = lowshot::decode_image({reinterpret_cast<const std::byte*>(data), size});
    if (image.pixels.rows() != image.height || image.pixels.cols() != 3 * std::size_t{image.width}) std::abort();
    unsigned sum = 0;  // reads every pixel
    for (std::size_t i = 0; i < image.pixels.size(); ++i) sum += image.pixels.data()[i];
    lowshot::ImageTransform transform;
    transform.scale = 20 + sum % 7;
    transform.crop = 20;
    std::vector<std::uint8_t> out(std::size_t{3} * 20 * 20);
    lowshot::crop_image(transform, image, out.data());
  } catch (const lowshot::Error&) {
  }
  return 0;
}
