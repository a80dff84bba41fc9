#include "archive/zip_archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "oracle/files.h"
#include "oracle/views.h"
#include "oracle/zip_files.h"

namespace lowshot::archive {
namespace {

using fixtures::put;
using fixtures::TemporaryDirectory;
using fixtures::zip_file;
using fixtures::ZipMember;
using oracle::error_of;
using testing::AllOf;
using testing::HasSubstr;

std::string text(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

constexpr std::uint64_t limit = 1 << 20;

/// What reading the first member of a zip with this one member says.
std::string reading(const ZipMember& member, std::uint64_t most = limit) {
  const TemporaryDirectory directory;
  put(directory / "a.zip", zip_file({member}));
  const ZipArchive zip(directory / "a.zip");
  return error_of([&] { zip.read(0, most); });
}

std::string noise(std::size_t bytes) {
  std::string result;
  std::uint32_t state = 1;
  while (result.size() < bytes) result.push_back(static_cast<char>((state = state * 1664525 + 1013904223) >> 24));
  return result;
}

TEST(ZipArchive, MembersAreListedFoundAndRead) {
  const TemporaryDirectory directory;
  const std::string large = noise(300000) + std::string(300000, 'x');
  put(directory / "a.zip",
      zip_file({{"d/", ""}, {"d/one.jpg", "stored"}, {"two.jpg", large, true}, {"empty", "", true}}));
  const ZipArchive zip(directory / "a.zip");
  ASSERT_EQ(zip.size(), 4U);
  EXPECT_TRUE(zip.member(0).folder);
  EXPECT_EQ(zip.member(1).name, "d/one.jpg");
  EXPECT_FALSE(zip.member(1).folder);
  EXPECT_EQ(zip.member(2).bytes, large.size());
  EXPECT_EQ(zip.find("two.jpg"), std::optional<std::uint64_t>(2));
  EXPECT_EQ(zip.find("one.jpg"), std::nullopt);
  EXPECT_EQ(zip.find("TWO.JPG"), std::nullopt);
  EXPECT_EQ(text(zip.read(1, limit)), "stored");
  EXPECT_EQ(text(zip.read(2, limit)), large);
  EXPECT_EQ(text(zip.read(3, limit)), "");
}

TEST(ZipArchive, ManyThreadsReadOneArchive) {
  const TemporaryDirectory directory;
  std::vector<ZipMember> members;
  for (int i = 0; i < 50; ++i) members.push_back({std::to_string(i), noise(1000 + i), i % 2 == 0});
  put(directory / "a.zip", zip_file(members));
  const ZipArchive zip(directory / "a.zip");
  std::vector<int> wrong(4, 0);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 50; ++i)
          wrong[t] += text(zip.read(*zip.find(std::to_string(i)), limit)) != members[i].content;
      });
    }
  }
  EXPECT_THAT(wrong, testing::Each(0));
}

TEST(ZipArchive, LyingMembersAreRefusedByName) {
  const std::string content(5000, 'x');
  EXPECT_THAT(reading({"m.jpg", content, true}), "nothing was thrown");
  EXPECT_THAT(reading({"m.jpg", content, true}, 4999),
              AllOf(HasSubstr("input: the member has 5000 bytes, and at most 4999 are read"),
                    HasSubstr("a.zip, member 'm.jpg'")));
  ZipMember member{"m.jpg", content, true};
  member.claimed_size = 900000;  // more than its packed bytes can hold
  EXPECT_THAT(reading(member), AllOf(HasSubstr("the member claims 900000 bytes packed into"), HasSubstr("'m.jpg'")));
  member.claimed_size = 5001;
  EXPECT_THAT(reading(member), AllOf(HasSubstr("input: the member"), HasSubstr("'m.jpg'")));
  member.claimed_size = 4999;
  EXPECT_THAT(reading(member), AllOf(HasSubstr("input: the member"), HasSubstr("'m.jpg'")));
  member.claimed_size.reset();
  member.claimed_crc = 1;
  EXPECT_THAT(reading(member), AllOf(HasSubstr("the member is damaged: CRC error"), HasSubstr("'m.jpg'")));
  member = {"m.jpg", content, false};
  member.claimed_crc = 1;
  EXPECT_THAT(reading(member), HasSubstr("the member is damaged: CRC error"));
  member = {"m.jpg", content, false};
  member.claimed_size = 6000;
  EXPECT_THAT(reading(member), HasSubstr("the member claims 6000 bytes packed into 5000"));
  member = {"m.jpg", content, true};
  member.claimed_packed = 0x7fffffff;
  EXPECT_THAT(error_of([&] {
                const TemporaryDirectory directory;
                put(directory / "a.zip", zip_file({member}));
                ZipArchive(directory / "a.zip").read(0, limit);
              }),
              HasSubstr("input: "));
}

TEST(ZipArchive, EncryptedAndUnknownMethodsAreRefused) {
  ZipMember member{"m.jpg", "0123456789abcdef", false};
  member.flags = 1;
  EXPECT_THAT(reading(member), AllOf(HasSubstr("the member is encrypted"), HasSubstr("'m.jpg'")));
  member.flags = 0;
  member.claimed_method = 14;
  EXPECT_THAT(reading(member), HasSubstr("packed by method 14"));
}

TEST(ZipArchive, DamagedListsAreRefused) {
  const TemporaryDirectory directory;
  const auto opening = [&](const std::string& bytes) {
    put(directory / "a.zip", bytes);
    return error_of([&] {
      const ZipArchive zip(directory / "a.zip");
      for (std::uint64_t i = 0; i < zip.size(); ++i) zip.read(i, limit);
    });
  };
  const std::string good = zip_file({{"a.jpg", "content of a"}, {"b.jpg", "content of b", true}});
  EXPECT_EQ(opening(good), "nothing was thrown");
  EXPECT_THAT(opening(""), HasSubstr("expected a zip file and found 0 bytes"));
  EXPECT_THAT(opening(noise(5000)), HasSubstr("expected a zip file: Not a zip archive"));
  for (std::size_t bytes = 0; bytes < good.size(); ++bytes) {
    EXPECT_THAT(opening(good.substr(0, bytes)), HasSubstr("a.zip")) << bytes;
  }
  // A wrong byte anywhere may go unnoticed (a date) but never as content.
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x41);
    put(directory / "a.zip", bad);
    try {
      const ZipArchive zip(directory / "a.zip");
      for (std::uint64_t i = 0; i < zip.size(); ++i) {
        const std::string content = text(zip.read(i, limit));
        EXPECT_THAT(content, testing::AnyOf("content of a", "content of b")) << at;
      }
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("a.zip"));
    }
  }
  EXPECT_THAT(error_of([&] { ZipArchive(directory / "absent.zip"); }), HasSubstr("cannot open a file"));
  EXPECT_THAT(error_of([&] { ZipArchive{directory.path()}; }), HasSubstr("expected a regular file"));
}

TEST(ZipArchive, MemberNames) {
  for (const char* good : {"a.jpg", "d/e/a.jpg", "d/", "..a", "a..b/c", "\xc3\xa9.jpg"}) {
    EXPECT_EQ(error_of([&] { check_member_name(good, "a.zip"); }), "nothing was thrown") << good;
  }
  for (const char* bad :
       {"", "/a.jpg", "../a.jpg", "a/../../b.jpg", "a/..", "./a", "a//b", "a\\b.jpg", "C:a.jpg", "a\nb"}) {
    EXPECT_THAT(error_of([&] { check_member_name(bad, "a.zip"); }),
                AllOf(HasSubstr("input: the member's name"), HasSubstr("a.zip")))
        << bad;
  }
}

}  // namespace
}  // namespace lowshot::archive
