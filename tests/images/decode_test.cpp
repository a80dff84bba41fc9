// Pixels are compared with Pillow's in tests/cli/test_images.py; here: what must never come through.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lowshot/image.h"
#include "oracle/files.h"
#include "oracle/views.h"
#include "oracle/zip_files.h"

namespace lowshot {
namespace {

using fixtures::png_chunk;
using fixtures::png_file;
using oracle::error_of;
using testing::AnyOf;
using testing::HasSubstr;
using testing::StartsWith;

Image decode(std::string_view bytes) {
  return decode_image(std::as_bytes(std::span(bytes.data(), bytes.size())));
}
std::string refusal(std::string_view bytes) {
  return error_of([&] { decode(bytes); });
}

std::string seed(const std::string& name) {
  return fixtures::bytes_of(std::filesystem::path(LOWSHOT_SOURCE_DIR) / "tests/fuzz/corpus/image" / name);
}

/// The JPEG file's frame header with another height and width.
std::string resized(std::string jpeg, std::uint16_t height, std::uint16_t width) {
  const std::size_t frame = std::min(jpeg.find("\xff\xc0"), jpeg.find("\xff\xc2"));
  jpeg[frame + 5] = static_cast<char>(height >> 8);
  jpeg[frame + 6] = static_cast<char>(height);
  jpeg[frame + 7] = static_cast<char>(width >> 8);
  jpeg[frame + 8] = static_cast<char>(width);
  return jpeg;
}

TEST(DecodeImage, FormatsAreToldByTheirFirstBytes) {
  EXPECT_THAT(image_formats(), testing::ElementsAre("JPEG", "PNG"));
  EXPECT_EQ(refusal(""), "input: the file is empty");
  EXPECT_EQ(refusal("GIF89a......"), "input: GIF files are not read, only JPEG and PNG");
  EXPECT_EQ(refusal("RIFF\1\2\3\4WEBPVP8 "), "input: WebP files are not read, only JPEG and PNG");
  EXPECT_EQ(refusal("\xff\xd8"), "input: the file is no image of a known format (JPEG, PNG)");
}

TEST(DecodeImage, SizesAndPixelsOfExtremeShapes) {
  for (const auto& [width, height] : {std::pair{1, 1}, {1, 10000}, {10000, 1}, {7, 5}}) {
    const Image image = decode(png_file(width, height, 1, 2, 250));
    ASSERT_EQ(image.width, width);
    ASSERT_EQ(image.height, height);
    ASSERT_EQ(image.pixels.rows(), image.height);
    ASSERT_EQ(image.pixels.cols(), 3 * image.width);
    EXPECT_EQ(image.pixels(height - 1, 3 * width - 3), 1);
    EXPECT_EQ(image.pixels(height - 1, 3 * width - 1), 250);
  }
}

TEST(DecodeImage, CutFilesAreRefused) {
  for (const char* name : {"colour.jpg", "progressive.jpg", "gray.jpg", "cmyk.jpg"}) {
    const std::string whole = seed(name);
    const std::size_t end_marker = 2;
    for (std::size_t bytes = 0; bytes + end_marker < whole.size(); ++bytes) {
      EXPECT_THAT(refusal(std::string_view(whole).substr(0, bytes)), StartsWith("input: the ")) << name << " " << bytes;
    }
    EXPECT_EQ(refusal(whole), "nothing was thrown");
  }
  const std::string png = png_file(9, 9, 3, 4, 5);
  const std::size_t end_chunk = 12;
  for (std::size_t bytes = 0; bytes + end_chunk + 4 < png.size(); ++bytes) {
    EXPECT_THAT(refusal(std::string_view(png).substr(0, bytes)), StartsWith("input: the ")) << bytes;
  }
}

// The heap's limit is the address sanitizer's or the machine's: what counts is that the sentence comes at once. Peak
// memory is measured in tests/cli/test_images.py.
TEST(DecodeImage, HugeSizesAreRefusedByTheHeader) {
  const std::string sentence = "input: the image is announced as 20000 x 20000, and at most 178956970 pixels are read";
  EXPECT_EQ(refusal(resized(seed("colour.jpg"), 20000, 20000)), sentence);
  EXPECT_EQ(refusal(resized(seed("progressive.jpg"), 20000, 20000)), sentence);
  const std::string side("\0\0\x4e\x20", 4);
  const std::string start = "\x89PNG\r\n\x1a\n" + png_chunk("IHDR", side + side + std::string("\x08\x02\0\0\0", 5));
  EXPECT_EQ(refusal(start + png_chunk("IDAT", "")), sentence);
  // Large but allowed, and not there. (With its end marker in place Pillow, too, opens it and leaves the rest grey.)
  std::string cut = resized(seed("colour.jpg"), 13000, 13000);
  cut.resize(cut.size() - 2);
  EXPECT_EQ(refusal(cut), "input: the JPEG file is cut off");
  EXPECT_THAT(refusal(resized(seed("colour.jpg"), 20, 0)), HasSubstr("damaged"));
}

TEST(DecodeImage, DamagedPngsAreRefusedWithTheReason) {
  std::string png = png_file(4, 4, 1, 2, 3);
  std::string bad = png;
  bad[bad.find("IDAT") + 8] ^= 1;
  EXPECT_THAT(refusal(bad), StartsWith("input: the PNG file is damaged (IDAT: "));
  bad = png;
  bad[bad.find("IHDR") + 4 + 9] = 5;  // a colour type that is none
  EXPECT_THAT(refusal(bad), StartsWith("input: the PNG file is damaged ("));
  bad = png;
  bad[bad.find("IEND") - 5] ^= 1;  // of the pixels' checksum: the pixels are whole, the chunk is not
  EXPECT_THAT(refusal(bad), StartsWith("input: the PNG file is damaged (IDAT: CRC error"));
  // Fewer rows than the header says.
  const std::string taller = png_file(4, 5, 1, 2, 3);
  const std::size_t header = 8 + 25;
  EXPECT_THAT(refusal(taller.substr(0, header) + png.substr(header)), StartsWith("input: the PNG file is damaged ("));
}

TEST(DecodeImage, TooManyScansAreRefused) {
  const std::string whole = seed("progressive.jpg");
  const std::size_t scan = whole.rfind("\xff\xda");
  const std::string last = whole.substr(scan, whole.size() - 2 - scan);
  std::string many = whole.substr(0, scan);
  for (int i = 0; i < 600; ++i) many += last;
  EXPECT_THAT(refusal(many + "\xff\xd9"), AnyOf("input: the JPEG file is damaged (more than 500 scans)"));
}

TEST(DecodeImage, ManyWrongBytesNeverCrash) {
  for (const char* name : {"colour.jpg", "progressive.jpg", "cmyk.jpg", "3_4.png", "6_16_interlaced.png"}) {
    const std::string whole = seed(name);
    for (std::size_t at = 0; at < whole.size(); ++at) {
      std::string bad = whole;
      bad[at] = static_cast<char>(bad[at] ^ 0x55);
      EXPECT_THAT(refusal(bad), AnyOf("nothing was thrown", StartsWith("input: "))) << name << " " << at;
    }
  }
}

}  // namespace
}  // namespace lowshot
