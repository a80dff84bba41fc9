// npy, versions 1 to 3. The header is the text of a Python dict with the keys descr, fortran_order and shape, such as
//   {'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }
// Only what numpy itself writes is understood: a header is never evaluated.
#include "io/npy.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <optional>
#include <span>
#include <utility>

#include "io/output_file.h"
#include "lowshot/io.h"

namespace lowshot::io {
namespace {

static_assert(std::endian::native == std::endian::little, "values are read and written as they lie in memory");

constexpr std::string_view magic = "\x93NUMPY";
constexpr std::uint64_t longest_header = 1 << 20;  // numpy's own headers of plain arrays stay below 128 bytes

struct Dict {
  std::optional<std::string> descr;
  std::optional<bool> fortran_order;
  std::optional<std::vector<std::uint64_t>> shape;
};

[[noreturn]] void refuse(const std::string& where, const std::string& what, const std::string& advice = {}) {
  throw Error(ErrorKind::input, what, where, advice);
}

class DictParser {
 public:
  DictParser(const std::string& where, std::string_view text) : where_(where), text_(text) {}

  Dict parse() {
    Dict dict;
    expect('{');
    while (!accept('}')) {
      const std::string key = string();
      expect(':');
      if (key == "descr" && !dict.descr) {
        dict.descr = descr();
      } else if (key == "fortran_order" && !dict.fortran_order) {
        dict.fortran_order = boolean();
      } else if (key == "shape" && !dict.shape) {
        dict.shape = tuple();
      } else {
        fail(fmt::format("the key '{}'", key));
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (at_ != text_.size()) fail("text behind the dict");
    if (!dict.descr || !dict.fortran_order || !dict.shape) fail("no descr, fortran_order or shape");
    return dict;
  }

 private:
  [[noreturn]] void fail(const std::string& found) const {
    refuse(where_,
           fmt::format("an npy header must be a dict with descr, fortran_order and shape; found {} at byte {} of it",
                       found, at_),
           "write the file again with numpy.save");
  }

  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  bool accept(char c) {
    skip_space();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(fmt::format("no '{}'", c));
  }
  bool accept_word(std::string_view word) {
    skip_space();
    if (text_.substr(at_, word.size()) != word) return false;
    at_ += word.size();
    return true;
  }

  std::string string() {
    skip_space();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    if (quote != '\'' && quote != '"') fail("no string");
    const std::size_t end = text_.find(quote, at_ + 1);
    if (end == std::string_view::npos) fail("a string without end");
    const std::string result(text_.substr(at_ + 1, end - at_ - 1));
    at_ = end + 1;
    return result;
  }

  std::string descr() {
    skip_space();
    if (at_ < text_.size() && text_[at_] == '[') {
      refuse(where_, "the npy file holds records of several fields, expected one number an element",
             "store the descriptors as a plain two-dimensional array");
    }
    return string();
  }

  bool boolean() {
    if (accept_word("True")) return true;
    if (accept_word("False")) return false;
    fail("neither True nor False");
  }

  std::vector<std::uint64_t> tuple() {
    std::vector<std::uint64_t> values;
    expect('(');
    while (!accept(')')) {
      values.push_back(number());
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return values;
  }

  std::uint64_t number() {
    skip_space();
    const std::size_t begin = at_;
    std::uint64_t value = 0;
    for (; at_ < text_.size() && text_[at_] >= '0' && text_[at_] <= '9'; ++at_) {
      const auto digit = static_cast<std::uint64_t>(text_[at_] - '0');
      if (value > (std::numeric_limits<std::uint64_t>::max() - digit) / 10) fail("a length beyond 64 bits");
      value = value * 10 + digit;
    }
    if (at_ == begin) fail("no length");
    if (at_ < text_.size() && text_[at_] == 'L') ++at_;  // Python 2 wrote long integers so
    return value;
  }

  const std::string& where_;
  std::string_view text_;
  std::size_t at_ = 0;
};

Scalar scalar_of(const std::string& where, const std::string& descr) {
  if (descr == "<f2") return Scalar::float16;
  if (descr == "<f4") return Scalar::float32;
  if (descr == "<f8") return Scalar::float64;
  if (descr == "<i4") return Scalar::int32;
  if (descr == "<i8") return Scalar::int64;
  if (!descr.empty() && descr[0] == '>') {
    refuse(where, fmt::format("the npy file holds big-endian values (dtype '{}'), expected little-endian ones", descr),
           "convert it: numpy.save(name, array.astype('<f4'))");
  }
  if (descr.find('O') != std::string::npos) {
    refuse(where, "the npy file holds pickled Python objects, which are never loaded",
           "store a plain two-dimensional float array");
  }
  refuse(where,
         fmt::format("the npy file has the dtype '{}', expected float16, float32, float64, int32 or int64", descr),
         "convert it: numpy.save(name, array.astype('<f4'))");
}

std::string_view descr_of(Scalar type) {
  switch (type) {
    case Scalar::float16:
      return "<f2";
    case Scalar::float32:
      return "<f4";
    case Scalar::float64:
      return "<f8";
    case Scalar::int32:
      return "<i4";
    case Scalar::int64:
      return "<i8";
  }
  return "";
}

// What stands behind the magic: where the values begin, and the dict.
struct Preamble {
  std::uint64_t data_offset = 0;
  Dict dict;
};

// `reader`: a SequentialReader, of a file or of bytes.
template <typename Reader>
Preamble read_preamble(Reader& reader, const std::string& where) {
  if (reader.text(magic.size(), "the npy magic") != magic) {
    refuse(where, "expected an npy file (it begins with the byte 0x93 and NUMPY) and found other content",
           "check the file's ending: .npy, .hdf5, .index or .raw");
  }
  const auto major = reader.template value<std::uint8_t>("the npy version");
  const auto minor = reader.template value<std::uint8_t>("the npy version");
  if (major < 1 || major > 3 || minor != 0) {
    refuse(where, fmt::format("expected an npy file of version 1.0, 2.0 or 3.0 and found {}.{}", major, minor),
           "write it again with numpy.save");
  }
  const std::uint64_t length = major == 1
                                   ? std::uint64_t{reader.template value<std::uint16_t>("the length of the npy header")}
                                   : reader.template value<std::uint32_t>("the length of the npy header");
  if (length > longest_header) {
    refuse(where, fmt::format("the npy header claims {} bytes, expected at most {}", length, longest_header),
           "write it again with numpy.save");
  }
  const std::string text = reader.text(length, "the npy header");
  Preamble preamble{reader.position(), DictParser(where, text).parse()};
  if (*preamble.dict.fortran_order) {
    refuse(where, "the npy file is stored column by column (fortran_order), expected row by row",
           "convert it: numpy.save(name, numpy.ascontiguousarray(array))");
  }
  return preamble;
}

// Throws unless the file's `held` bytes of values are what shape and type need.
void require_size(const std::string& where, std::span<const std::uint64_t> shape, std::uint64_t width,
                  std::uint64_t held) {
  std::uint64_t bytes = width;
  for (const std::uint64_t length : shape) {
    if (__builtin_mul_overflow(bytes, length, &bytes)) refuse(where, "the shape in the npy header exceeds 64 bits");
  }
  if (held == bytes) return;
  refuse(where, fmt::format("the shape in the npy header needs {} bytes of values and the file holds {}", bytes, held),
         "the file is truncated or was resized: make or fetch it again");
}

// Bytes in memory, read as SequentialReader reads a file.
class ByteReader {
 public:
  ByteReader(std::string_view bytes, const std::string& where) : bytes_(bytes), where_(where) {}
  std::uint64_t position() const { return position_; }
  template <typename T>
  T value(const char* what) {
    T result;
    std::memcpy(&result, take(sizeof(T), what).data(), sizeof(T));
    return result;
  }
  std::string text(std::uint64_t length, const char* what) { return std::string(take(length, what)); }

 private:
  std::string_view take(std::uint64_t length, const char* what) {
    if (length > bytes_.size() - position_)
      refuse(where_, fmt::format("{} is expected and the array ends at byte {}", what, bytes_.size()),
             "the file is truncated: make or fetch it again");
    position_ += length;
    return bytes_.substr(position_ - length, length);
  }

  std::string_view bytes_;
  const std::string& where_;
  std::uint64_t position_ = 0;
};

}  // namespace

NpyHeader read_npy_header(const InputFile& file) {
  SequentialReader reader(file);
  Preamble p = read_preamble(reader, file.name());
  NpyHeader header{scalar_of(file.name(), *p.dict.descr), std::move(*p.dict.shape), p.data_offset};
  require_size(file.name(), header.shape, width(header.type), file.size() - header.data_offset);
  return header;
}

NpyHeader read_npy_header(std::string_view bytes, const std::string& where) {
  ByteReader reader(bytes, where);
  Preamble p = read_preamble(reader, where);
  NpyHeader header{scalar_of(where, *p.dict.descr), std::move(*p.dict.shape), p.data_offset};
  require_size(where, header.shape, width(header.type), bytes.size() - header.data_offset);
  return header;
}

std::string read_npy_letters(std::string_view bytes, const std::string& where) {
  ByteReader reader(bytes, where);
  const Preamble p = read_preamble(reader, where);
  const std::string_view values = bytes.substr(p.data_offset);
  if (!p.dict.shape->empty() || *p.dict.descr != fmt::format("|S{}", values.size()))
    refuse(where, fmt::format("expected one array of letters and found the dtype '{}'", *p.dict.descr));
  return std::string(values);
}

std::string npy_header(Scalar type, const std::vector<std::uint64_t>& shape) {
  std::string lengths;
  for (const std::uint64_t length : shape) lengths += fmt::format("{}, ", length);
  std::string dict = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}), }}", descr_of(type), lengths);
  constexpr std::size_t fixed = 10;  // magic, version and the length itself
  dict.append(63 - (fixed + dict.size()) % 64, ' ');
  dict.push_back('\n');
  std::string header(magic);
  header.append({'\x01', '\x00', static_cast<char>(dict.size() & 0xff), static_cast<char>(dict.size() >> 8)});
  return header + dict;
}

}  // namespace lowshot::io

namespace lowshot {
namespace {

void write_values(const fs::path& path, io::Scalar type, const void* values, std::uint64_t rows, std::uint64_t cols) {
  const std::string header = io::npy_header(type, {rows, cols});
  const std::uint64_t bytes = rows * cols * io::width(type);
  io::OutputFile file(path);
  file.reserve(header.size() + bytes);
  file.write_at(0, header.data(), header.size());
  file.write_at(header.size(), values, bytes);
  file.commit();
}

}  // namespace

void write_npy(const fs::path& path, MatrixView<const float> values) {
  write_values(path, io::Scalar::float32, values.data(), values.rows(), values.cols());
}

void write_npy(const fs::path& path, MatrixView<const std::int32_t> values) {
  write_values(path, io::Scalar::int32, values.data(), values.rows(), values.cols());
}

std::vector<std::int32_t> read_npy_int32(const fs::path& path) {
  const io::InputFile file(path);
  const io::NpyHeader header = io::read_npy_header(file);
  if (header.shape.empty() || header.shape.size() > 2 || io::is_float(header.type)) {
    file.fail(fmt::format("expected an int32 or int64 array of one or two dimensions and found {} of {}",
                          io::name(header.type), header.shape.size()));
  }
  std::uint64_t count = 1;
  for (const std::uint64_t length : header.shape) count *= length;
  std::vector<std::int32_t> values(count);
  if (header.type == io::Scalar::int32) {
    file.read_at(header.data_offset, values.data(), count * sizeof(std::int32_t));
    return values;
  }
  constexpr std::uint64_t block = 1 << 16;
  std::vector<std::int64_t> wide(std::min(count, block));
  for (std::uint64_t begin = 0; begin < count; begin += block) {
    const std::uint64_t size = std::min(block, count - begin);
    file.read_at(header.data_offset + begin * sizeof(std::int64_t), wide.data(), size * sizeof(std::int64_t));
    for (std::uint64_t i = 0; i < size; ++i) {
      values[begin + i] = static_cast<std::int32_t>(wide[i]);
      if (values[begin + i] != wide[i]) {
        file.fail(fmt::format("element {} is {}, which does not fit 32 bits", begin + i, wide[i]));
      }
    }
  }
  return values;
}

void write_row_numbers(const fs::path& path, std::span<const std::uint32_t> numbers) {
  Matrix<std::int32_t> rows(numbers.size(), 1);
  std::copy(numbers.begin(), numbers.end(), rows.data());
  write_npy(path, rows.view());
}

std::vector<std::uint32_t> read_row_numbers(const fs::path& path) {
  const std::vector<std::int32_t> rows = read_npy_int32(path);
  return {rows.begin(), rows.end()};
}

}  // namespace lowshot
