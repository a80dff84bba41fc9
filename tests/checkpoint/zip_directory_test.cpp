#include "checkpoint/zip_directory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oracle/files.h"
#include "oracle/views.h"

namespace lowshot::checkpoint {
namespace {

using fixtures::put;
using fixtures::raw;
using fixtures::TemporaryDirectory;
using oracle::error_of;
using testing::HasSubstr;
using namespace std::string_literals;

std::string u16(std::size_t v) {
  return raw(static_cast<std::uint16_t>(v));
}
std::string u32(std::size_t v) {
  return raw(static_cast<std::uint32_t>(v));
}

/// A zip file with one member, written field by field. 0xcbf43926 is the published CRC-32 of the digits 1 to 9.
struct OneMember {
  std::string name = "a/b", content = "123456789", local_extra, comment;
  std::uint32_t crc = 0xcbf43926;

  std::string bytes() const {
    const std::string sizes = u32(crc) + u32(content.size()) + u32(content.size()) + u16(name.size());
    const std::string local =
        "PK\3\4"s + u16(10) + u16(0) + u16(0) + u32(0) + sizes + u16(local_extra.size()) + name + local_extra + content;
    const std::string entry = "PK\1\2"s + u16(10) + u16(10) + u16(0) + u16(0) + u32(0) + sizes + u16(0) + u16(0) +
                              u16(0) + u16(0) + u32(0) + u32(0) + name;
    return local + entry + "PK\5\6" + u16(0) + u16(0) + u16(1) + u16(1) + u32(entry.size()) + u32(local.size()) +
           u16(comment.size()) + comment;
  }
};

std::string read(const std::string& bytes, const std::string& name = "a/b") {
  const TemporaryDirectory directory;
  put(directory / "z", bytes);
  const io::InputFile file(directory / "z");
  const ZipMember member = read_zip_directory(file).at(name);
  const std::uint64_t begin = locate_member(file, name, member);
  return bytes.substr(begin, member.size);
}

TEST(ZipDirectory, FindsMembers) {
  EXPECT_EQ(read(OneMember().bytes()), "123456789");
  OneMember padded;
  padded.local_extra = std::string("FB\x10\0", 4) + std::string(16, 'Z');  // as PyTorch aligns its storages
  EXPECT_EQ(read(padded.bytes()), "123456789");
  OneMember empty;
  empty.content = "";
  empty.crc = 0;
  EXPECT_EQ(read(empty.bytes()), "");
}

TEST(ZipDirectory, ACommentMayStandBehindTheEnd) {
  OneMember zip;
  for (const std::size_t length : {1, 22, 65535}) {
    zip.comment = std::string(length, 'x');
    EXPECT_EQ(read(zip.bytes()), "123456789");
  }
  zip.comment = "PK\5\6 is not the end";
  EXPECT_EQ(read(zip.bytes()), "123456789");
}

TEST(ZipDirectory, EveryChangedByteOfTheContentIsNoticed) {
  const std::string whole = OneMember().bytes();
  const std::size_t begin = whole.find("123456789");
  for (std::size_t i = begin; i < begin + 9; ++i) {
    std::string changed = whole;
    changed[i] ^= 1;
    EXPECT_THAT(error_of([&] { read(changed); }), HasSubstr("the directory says cbf43926"));
  }
}

TEST(ZipDirectory, CutAnywhereIsAnError) {
  const std::string whole = OneMember().bytes();
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_THAT(error_of([&] { read(whole.substr(0, length)); }), testing::StartsWith("input: ")) << length;
}

TEST(ZipDirectory, NamesThatLeadElsewhere) {
  OneMember zip;
  for (const std::string& name : {std::string("../a"), std::string("/a"), std::string("a/.."), std::string("a\\b"),
                                  std::string("a\0b", 3), std::string()}) {
    zip.name = name;
    EXPECT_THAT(error_of([&] { read(zip.bytes()); }), HasSubstr("has the name")) << name;
  }
  zip.name = "a..b/..c";
  EXPECT_EQ(read(zip.bytes(), zip.name), "123456789");
}

}  // namespace
}  // namespace lowshot::checkpoint
