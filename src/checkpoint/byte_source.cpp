#include "checkpoint/byte_source.h"

#include <fmt/format.h>

#include <algorithm>

namespace lowshot::checkpoint {

void fail_at(const io::InputFile& file, std::uint64_t position, const std::string& what, const std::string& advice) {
  throw Error(ErrorKind::input, what, fmt::format("{}, byte {}", file.name(), position), advice);
}

std::uint8_t ByteSource::byte() {
  if (position_ < buffered_from_ || position_ - buffered_from_ >= buffer_.size()) {
    // One call to the system for 16 KiB instead of one a byte; the whole pickle of a ResNet-10 has 9 KB.
    require(1);
    buffer_.resize(std::min<std::uint64_t>(end_ - position_, 1 << 14));
    file_.read_at(position_, buffer_.data(), buffer_.size());
    buffered_from_ = position_;
  }
  return buffer_[position_++ - buffered_from_];
}

std::uint64_t ByteSource::number(unsigned width) {
  std::uint64_t value = 0;
  for (unsigned i = 0; i < width; ++i) value |= std::uint64_t{byte()} << (8 * i);
  return value;
}

std::string ByteSource::text(std::uint64_t length) {
  require(length);
  std::string result(length, '\0');
  if (length > 256) {
    file_.read_at(position_, result.data(), length);
    position_ += length;
  } else {
    for (char& c : result) c = static_cast<char>(byte());
  }
  return result;
}

std::string ByteSource::line() {
  constexpr std::size_t longest = 1000;  // names of modules and functions
  std::string result;
  while (true) {
    const auto c = static_cast<char>(byte());
    if (c == '\n') return result;
    if (result.size() == longest) fail("a name of more than 1000 bytes", "the file is damaged or of another kind");
    result.push_back(c);
  }
}

void ByteSource::fail(const std::string& what, const std::string& advice) const {
  fail_at(file_, position_, what, advice);
}

void ByteSource::require(std::uint64_t length) const {
  if (length <= end_ - position_) return;
  fail(fmt::format("{} bytes are expected and {} are left", length, end_ - position_),
       "the file is truncated or damaged: make or fetch it again");
}

}  // namespace lowshot::checkpoint
