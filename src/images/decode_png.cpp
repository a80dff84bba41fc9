// PNG through libpng, which hands over the samples as they lie in the file; the conversion to RGB is Pillow's
// `convert("RGB")` (measured with Pillow 13.0.0):
//   gray of 1, 2, 4 bits     spread to 0 .. 255
//   gray of 16 bits          values above 255 become 255 (no scaling)
//   other samples of 16 bits the high byte
//   alpha, transparent keys  dropped, never blended
//   palette                  an index behind the palette's end is black
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <vector>

#include <png.h>

#include "images/decode.h"

namespace lowshot::images {
namespace {

/// libpng's errors jump over C frames only: every function below that sets the jump has no locals to destroy.
class PngDecoder {
 public:
  explicit PngDecoder(std::span<const std::byte> bytes) : bytes_(bytes) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, [](png_structp, png_const_charp) {});
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw std::bad_alloc();
    }
  }
  ~PngDecoder() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;

  Image decode() {
    if (!read_header()) fail();
    const std::size_t width = png_get_image_width(png_, info_), height = png_get_image_height(png_, info_);
    check_size(width, height);
    Image image;
    image.width = static_cast<std::uint32_t>(width);
    image.height = static_cast<std::uint32_t>(height);
    if (!start_pixels()) fail();
    row_.resize(png_get_rowbytes(png_, info_));
    rgb_.resize(interlaced_ ? 3 * width : 0);
    image.pixels = Matrix<std::uint8_t>(height, 3 * width);
    if (!read_pixels(image.pixels)) fail();
    return image;
  }

 private:
  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    auto& decoder = *static_cast<PngDecoder*>(png_get_error_ptr(png));
    std::snprintf(decoder.message_, sizeof decoder.message_, "%s", message);
    png_longjmp(png, 1);
  }

  static void read(png_structp png, png_bytep out, std::size_t count) {
    auto& decoder = *static_cast<PngDecoder*>(png_get_io_ptr(png));
    if (count > decoder.bytes_.size() - decoder.position_) {
      decoder.ended_ = true;
      png_error(png, "");
    }
    std::memcpy(out, decoder.bytes_.data() + decoder.position_, count);
    decoder.position_ += count;
  }

  bool read_header() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_read_fn(png_, this, read);
    // Texts, profiles and the like are stepped over, whatever their size: they are neither kept nor inflated.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_set_chunk_malloc_max(png_, 0);
    png_set_user_limits(png_, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // check_size has the limit, and a sentence for it
    png_set_crc_action(png_, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_read_info(png_, info_);
    return true;
  }

  bool start_pixels() {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    colour_ = png_get_color_type(png_, info_);
    depth_ = png_get_bit_depth(png_, info_);
    interlaced_ = png_get_interlace_type(png_, info_) != PNG_INTERLACE_NONE;
    png_set_packing(png_);  // a byte a sample
    if (colour_ == PNG_COLOR_TYPE_PALETTE) png_get_PLTE(png_, info_, &palette_, &palette_size_);
    png_read_update_info(png_, info_);
    return true;
  }

  bool read_pixels(MatrixView<std::uint8_t> pixels) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    if (!interlaced_) {
      for (std::size_t y = 0; y < pixels.rows(); ++y) {
        png_read_row(png_, row_.data(), nullptr);
        to_rgb(pixels.cols() / 3, pixels.row(y));
      }
      return true;
    }
    // Interlaced rows come as seven small images, whose pixels belong to a grid of the large one. Put together here,
    // so that samples of 16 bits need no second image.
    const std::size_t width = pixels.cols() / 3, height = pixels.rows();
    for (unsigned pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; ++pass) {
      const std::size_t cols = PNG_PASS_COLS(width, pass);
      if (cols == 0) continue;
      for (std::size_t y = PNG_PASS_START_ROW(pass); y < height; y += PNG_PASS_ROW_OFFSET(pass)) {
        png_read_row(png_, row_.data(), nullptr);
        to_rgb(cols, rgb_.data());
        std::uint8_t* out = pixels.row(y) + 3 * PNG_PASS_START_COL(pass);
        for (std::size_t x = 0; x < cols; ++x) std::memcpy(out + 3 * PNG_PASS_COL_OFFSET(pass) * x, &rgb_[3 * x], 3);
      }
    }
    return true;
  }

  /// The `width` pixels of row_ as R G B.
  void to_rgb(std::size_t width, std::uint8_t* out) const {
    const std::uint8_t* in = row_.data();
    if (colour_ == PNG_COLOR_TYPE_PALETTE) {
      for (std::size_t x = 0; x < width; ++x) {
        const png_color colour = in[x] < palette_size_ ? palette_[in[x]] : png_color{0, 0, 0};
        out[3 * x] = colour.red;
        out[3 * x + 1] = colour.green;
        out[3 * x + 2] = colour.blue;
      }
      return;
    }
    const std::size_t sample = depth_ == 16 ? 2 : 1;
    const bool alpha = (colour_ & PNG_COLOR_MASK_ALPHA) != 0;
    if ((colour_ & PNG_COLOR_MASK_COLOR) != 0) {
      const std::size_t step = (alpha ? 4 : 3) * sample;
      for (std::size_t x = 0; x < width; ++x) {
        for (std::size_t c = 0; c < 3; ++c) out[3 * x + c] = in[x * step + c * sample];
      }
      return;
    }
    const std::size_t step = (alpha ? 2 : 1) * sample;
    const unsigned spread = depth_ < 8 ? 255U / ((1U << depth_) - 1) : 1;
    const bool clipped = depth_ == 16 && !alpha;
    for (std::size_t x = 0; x < width; ++x) {
      const std::uint8_t* value = in + x * step;
      const unsigned gray = clipped ? (value[0] != 0 ? 255U : value[1]) : value[0] * spread;
      out[3 * x] = out[3 * x + 1] = out[3 * x + 2] = static_cast<std::uint8_t>(gray);
    }
  }

  [[noreturn]] void fail() const {
    if (ended_) refuse("the PNG file is cut off");
    refuse(std::string("the PNG file is damaged (") + message_ + ")");
  }

  std::span<const std::byte> bytes_;
  std::size_t position_ = 0;
  bool ended_ = false;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  int colour_ = 0, depth_ = 0, palette_size_ = 0;
  bool interlaced_ = false;
  png_colorp palette_ = nullptr;  // libpng's
  char message_[128] = {};
  std::vector<std::uint8_t> row_, rgb_;
};

}  // namespace

Image decode_png(std::span<const std::byte> bytes) {
  return PngDecoder(bytes).decode();
}

}  // namespace lowshot::images
