#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "label/natural_order.h"
#include "lowshot/label.h"
#include "oracle/files.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

namespace fs = std::filesystem;
using fixtures::put;
using fixtures::TemporaryDirectory;
using oracle::error_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TEST(NaturalOrder, NumbersByTheirValue) {
  const std::vector<std::string> ordered = {"",
                                            "a",
                                            "a0",
                                            "a00x",
                                            "a0x",
                                            "a1",
                                            "a02",
                                            "a2",
                                            "a10",
                                            "a2147483648",
                                            "a99999999999999999998",
                                            "a99999999999999999999",
                                            "a100000000000000000000",
                                            "a_1_10",
                                            "a_2_9",
                                            "ab"};
  for (unsigned seed = 0; seed < 20; ++seed) {
    std::vector<std::string> shuffled = ordered;
    std::shuffle(shuffled.begin(), shuffled.end(), std::mt19937(seed));
    std::sort(shuffled.begin(), shuffled.end(), label::natural_less);
    EXPECT_EQ(shuffled, ordered);
  }
  for (const auto& text : ordered) EXPECT_FALSE(label::natural_less(text, text));
}

class ShardsTest : public testing::Test {
 protected:
  std::string file(const std::string& name) {
    const fs::path path = directory_ / name;
    fs::create_directories(path.parent_path());
    put(path, "x");
    return path.string();
  }
  std::string at(const std::string& name) const { return (directory_ / name).string(); }
  /// Their paths within the directory.
  std::vector<std::string> found(const std::vector<std::string>& arguments) const {
    std::vector<std::string> names;
    for (const fs::path& path : find_shards(arguments))
      names.push_back(path.lexically_relative(directory_.path()).string());
    return names;
  }

  TemporaryDirectory directory_;
};

TEST_F(ShardsTest, FilesKeepTheOrderInWhichTheyAreGiven) {
  const std::string b = file("b_10.npy"), a = file("a.bin"), c = file("b_2.npy");
  EXPECT_THAT(found({b, a, c}), ElementsAre("b_10.npy", "a.bin", "b_2.npy"));
}

TEST_F(ShardsTest, AFolderGivesItsDescriptorFilesInNaturalOrder) {
  for (const char* name : {"e/s_10.npy", "e/s_2.npy", "e/s_1.h5", "e/s_3.hdf5", "e/s_4.raw", "e/notes.txt",
                           "e/.s_0.npy", "e/meta.parquet", "e/in/s_5.npy"}) {
    file(name);
  }
  fs::create_directory(directory_ / "e/folder.npy");
  EXPECT_THAT(found({at("e")}), ElementsAre("e/s_1.h5", "e/s_2.npy", "e/s_3.hdf5", "e/s_4.raw", "e/s_10.npy"));
  EXPECT_THAT(find_shards({at("e/")}).size(), 5u);
}

TEST_F(ShardsTest, AGlobGivesItsMatchesInNaturalOrder) {
  for (const char* name : {"p1/s_10.npy", "p1/s_9.npy", "p10/s_1.npy", "p2/s_1.npy", "p2/t.npy"}) file(name);
  EXPECT_THAT(found({at("p*/s_*.npy")}), ElementsAre("p1/s_9.npy", "p1/s_10.npy", "p2/s_1.npy", "p10/s_1.npy"));
  EXPECT_THAT(found({at("p?")}), ElementsAre("p1/s_9.npy", "p1/s_10.npy", "p2/s_1.npy", "p2/t.npy"));
  EXPECT_THAT(found({at("p2/[s-t]*.npy")}), ElementsAre("p2/s_1.npy", "p2/t.npy"));
}

TEST_F(ShardsTest, AFileMayBeNamedLikeAGlob) {
  const std::string name = file("a[1].npy");
  file("a1.npy");
  EXPECT_THAT(found({name}), ElementsAre("a[1].npy"));
}

TEST_F(ShardsTest, ArgumentsAreReadOneAfterTheOther) {
  const std::string last = file("z.npy");
  file("e/s_2.npy");
  file("e/s_1.npy");
  file("a/x.raw");
  EXPECT_THAT(found({last, at("e"), at("a/*.raw")}), ElementsAre("z.npy", "e/s_1.npy", "e/s_2.npy", "a/x.raw"));
}

TEST_F(ShardsTest, AFileNamedTwiceIsRefused) {
  const std::string a = file("e/a.npy");
  file("e/b.npy");
  EXPECT_THAT(error_of([&] {
                find_shards({a, at("e")});
              }),
              AllOf(StartsWith("input: "), HasSubstr("named twice"), HasSubstr("a.npy")));
  EXPECT_THAT(error_of([&] { find_shards({a, at("e/../e/a.npy")}); }), HasSubstr("named twice"));
  fs::create_symlink(a, directory_ / "link.npy");
  EXPECT_THAT(error_of([&] { find_shards({a, at("link.npy")}); }), HasSubstr("named twice"));
}

TEST_F(ShardsTest, ParquetIsRefusedWithTheLineThatConvertsIt) {
  const std::string path = file("e/it's.parquet");
  const std::string line = "import numpy, pandas; numpy.save('" + at("e") +
                           "/it\\'s.npy', numpy.stack(pandas.read_parquet('" + at("e") +
                           "/it\\'s.parquet')['embedding']).astype('float32'))";
  for (const std::string& argument : {path, at("e"), at("e/*.parquet")}) {
    EXPECT_THAT(error_of([&] { find_shards({argument}); }), AllOf(StartsWith("input: "), HasSubstr(line)));
  }
}

TEST_F(ShardsTest, WhatIsNotThereIsNamed) {
  EXPECT_THAT(error_of([&] { find_shards({at("none.npy")}); }), AllOf(StartsWith("input: "), HasSubstr("none.npy")));
  EXPECT_THAT(error_of([&] { find_shards({at("none_*.npy")}); }),
              AllOf(HasSubstr("no file matches"), HasSubstr("none_*.npy")));
  fs::create_directory(directory_ / "empty");
  EXPECT_THAT(error_of([&] { find_shards({at("empty")}); }),
              AllOf(HasSubstr("no files of descriptors"), HasSubstr("empty")));
  EXPECT_THAT(error_of([] { find_shards({}); }), StartsWith("usage: "));
}

}  // namespace
}  // namespace lowshot
