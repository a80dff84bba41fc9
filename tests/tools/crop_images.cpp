// crop_images decode|crop|time SCALE CROP [FILE...]
//
// For tests/cli/test_images.py: what decode_image and crop_image make of files, written to stdout. A record a file:
// int32 width and height and the pixels' bytes; width -1 and the message's length, then the message, where the file is
// refused. `time` writes milliseconds a file instead, one line: the fastest of 20 decodings, of 20 crops.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "lowshot/error.h"
#include "lowshot/image.h"

namespace {

using lowshot::Image;

std::vector<std::byte> bytes_of(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

void put(std::int32_t width, std::int32_t height, const void* data, std::size_t bytes) {
  std::fwrite(&width, sizeof width, 1, stdout);
  std::fwrite(&height, sizeof height, 1, stdout);
  std::fwrite(data, 1, bytes, stdout);
}

template <typename Function>
double milliseconds(const Function& function) {
  double best = 1e9;
  for (int run = 0; run < 20; ++run) {
    const auto begin = std::chrono::steady_clock::now();
    function();
    best = std::min(best, std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  const std::string action = argv[1];
  lowshot::ImageTransform transform;
  transform.scale = static_cast<std::uint32_t>(std::atoi(argv[2]));
  transform.crop = static_cast<std::uint32_t>(std::atoi(argv[3]));
  std::vector<std::uint8_t> crop(std::size_t{3} * transform.crop * transform.crop);
  const auto side = static_cast<std::int32_t>(transform.crop);
  for (int i = 4; i < argc; ++i) {
    const std::vector<std::byte> bytes = bytes_of(argv[i]);
    try {
      const Image image = lowshot::decode_image(bytes);
      if (action == "decode") {
        put(static_cast<std::int32_t>(image.width), static_cast<std::int32_t>(image.height), image.pixels.data(),
            image.pixels.size());
      } else if (action == "crop") {
        lowshot::crop_image(transform, image, crop.data());
        put(side, side, crop.data(), crop.size());
      } else {
        std::printf("%.3f %.3f\n", milliseconds([&] { lowshot::decode_image(bytes); }),
                    milliseconds([&] { lowshot::crop_image(transform, image, crop.data()); }));
      }
    } catch (const lowshot::Error& error) {
      const std::string message = error.what();
      put(-1, static_cast<std::int32_t>(message.size()), message.data(), message.size());
    }
  }
  return 0;
}
