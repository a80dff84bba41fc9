// JPEG through libjpeg-turbo, set up as Pillow does: the accurate integer DCT and smooth ("fancy") upsampling, which
// are the library's defaults; CMYK as Adobe stores it, inverted.
//
// The library's own interface, not TurboJPEG's: that one keeps only the first warning of a file, so a file that is
// both damaged and cut off could not be told, and it hides when a file ended early by making up an end. Here, as in
// Pillow, the source suspends where the bytes end, and whoever wants more gets an error. Other warnings (stray bytes,
// broken entropy codes) leave an image with grey parts, here as in Pillow.
#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <vector>

#include <jpeglib.h>

#include <jerror.h>

#include "images/decode.h"

namespace lowshot::images {
namespace {

// A progressive file of a few kilobytes can hold thousands of scans, each of which goes over the whole image. Encoders
// write at most some ten; 500 is what libjpeg-turbo's own tests allow.
constexpr int max_scans = 500;

/// libjpeg's errors jump over C frames only: every function below that sets the jump has no locals to destroy.
class JpegDecoder {
 public:
  explicit JpegDecoder(std::span<const std::byte> bytes) {
    cinfo_.err = jpeg_std_error(&errors_);
    errors_.error_exit = on_error;
    errors_.emit_message = [](j_common_ptr, int) {};
    errors_.output_message = [](j_common_ptr) {};
    cinfo_.client_data = this;
    source_.next_input_byte = reinterpret_cast<const JOCTET*>(bytes.data());
    source_.bytes_in_buffer = bytes.size();
    source_.init_source = [](j_decompress_ptr) {};
    source_.term_source = [](j_decompress_ptr) {};
    source_.fill_input_buffer = [](j_decompress_ptr) -> boolean { return FALSE; };  // suspends: there is no more
    source_.skip_input_data = skip;
    source_.resync_to_restart = jpeg_resync_to_restart;
    progress_.progress_monitor = watch;
  }
  ~JpegDecoder() { jpeg_destroy_decompress(&cinfo_); }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  Image decode() {
    if (!read_header()) fail();
    check_size(cinfo_.image_width, cinfo_.image_height);
    if (cinfo_.num_components != 1 && cinfo_.num_components != 3 && cinfo_.num_components != 4) {
      refuse("the JPEG image has " + std::to_string(cinfo_.num_components) + " channels, and 1, 3 or 4 are read");
    }
    const std::size_t width = cinfo_.image_width;
    Image image;
    image.width = cinfo_.image_width;
    image.height = cinfo_.image_height;
    image.pixels = Matrix<std::uint8_t>(image.height, 3 * width);
    row_.resize(cinfo_.num_components == 3 ? 0 : cinfo_.num_components * width);
    if (!read_pixels(image.pixels)) fail();
    return image;
  }

 private:
  static JpegDecoder& self(j_common_ptr cinfo) { return *static_cast<JpegDecoder*>(cinfo->client_data); }

  [[noreturn]] static void on_error(j_common_ptr cinfo) {
    JpegDecoder& decoder = self(cinfo);
    cinfo->err->format_message(cinfo, decoder.message_);
    std::longjmp(decoder.escape_, 1);
  }

  static void skip(j_decompress_ptr cinfo, long count) {
    jpeg_source_mgr& source = *cinfo->src;
    const std::size_t step = count <= 0 ? 0 : std::min(static_cast<std::size_t>(count), source.bytes_in_buffer);
    source.next_input_byte += step;
    source.bytes_in_buffer -= step;
  }

  static void watch(j_common_ptr cinfo) {
    JpegDecoder& decoder = self(cinfo);
    if (decoder.cinfo_.input_scan_number <= max_scans) return;
    std::snprintf(decoder.message_, sizeof decoder.message_, "more than %d scans", max_scans);
    std::longjmp(decoder.escape_, 1);
  }

  bool read_header() {
    if (setjmp(escape_) != 0) return false;
    jpeg_create_decompress(&cinfo_);
    // Creation clears everything but these two.
    cinfo_.src = &source_;
    cinfo_.progress = &progress_;
    return jpeg_read_header(&cinfo_, TRUE) == JPEG_HEADER_OK;
  }

  bool read_pixels(MatrixView<std::uint8_t> pixels) {
    if (setjmp(escape_) != 0) return false;
    cinfo_.out_color_space = cinfo_.num_components == 1   ? JCS_GRAYSCALE
                             : cinfo_.num_components == 3 ? JCS_RGB
                                                          : JCS_CMYK;
    if (!jpeg_start_decompress(&cinfo_)) return false;
    while (cinfo_.output_scanline < cinfo_.output_height) {
      std::uint8_t* out = pixels.row(cinfo_.output_scanline);
      JSAMPROW target = cinfo_.num_components == 3 ? out : row_.data();
      if (jpeg_read_scanlines(&cinfo_, &target, 1) != 1) return false;
      if (cinfo_.num_components == 1) gray_row(row_.data(), cinfo_.output_width, out);
      if (cinfo_.num_components == 4) cmyk_row(row_.data(), cinfo_.output_width, out);
    }
    // What stands behind the last row may be missing, but not wrong: a broken code in the middle shows as a marker
    // that cannot be there. Pillow holds it so, too.
    jpeg_finish_decompress(&cinfo_);
    return true;
  }

  static void gray_row(const std::uint8_t* in, std::size_t width, std::uint8_t* out) {
    for (std::size_t x = 0; x < width; ++x) out[3 * x] = out[3 * x + 1] = out[3 * x + 2] = in[x];
  }

  /// From inverted CMYK, which is what files hold: R = K - (255 - C) K / 255, the quotient rounded, as Pillow does.
  static void cmyk_row(const std::uint8_t* in, std::size_t width, std::uint8_t* out) {
    for (std::size_t x = 0; x < width; ++x) {
      const int white = in[4 * x + 3];
      for (std::size_t c = 0; c < 3; ++c) {
        const int product = (255 - in[4 * x + c]) * white + 128;
        const int ink = ((product >> 8) + product) >> 8;  // product / 255, rounded
        out[3 * x + c] = static_cast<std::uint8_t>(white - ink);
      }
    }
  }

  [[noreturn]] void fail() const {
    if (message_[0] == '\0') refuse("the JPEG file is cut off");
    refuse(std::string("the JPEG file is damaged (") + message_ + ")");
  }

  jpeg_decompress_struct cinfo_{};
  jpeg_error_mgr errors_{};
  jpeg_source_mgr source_{};
  jpeg_progress_mgr progress_{};
  std::jmp_buf escape_{};
  char message_[JMSG_LENGTH_MAX] = {};
  std::vector<std::uint8_t> row_;  // of gray or CMYK values
};

}  // namespace

Image decode_jpeg(std::span<const std::byte> bytes) {
  return JpegDecoder(bytes).decode();
}

}  // namespace lowshot::images
