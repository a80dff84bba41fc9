#include "lowshot/image_set.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "oracle/files.h"
#include "oracle/views.h"
#include "oracle/zip_files.h"

namespace lowshot {
namespace {

namespace fs = std::filesystem;
using fixtures::put;
using fixtures::TemporaryDirectory;
using fixtures::zip_file;
using oracle::error_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

void put_below(const fs::path& path, std::string_view bytes) {
  fs::create_directories(path.parent_path());
  put(path, bytes);
}

std::vector<std::string> names(const ImageSet& set) {
  std::vector<std::string> result;
  for (std::uint64_t i = 0; i < set.size(); ++i) result.push_back(set.name(i));
  return result;
}

std::vector<std::int32_t> labels(const ImageSet& set) {
  std::vector<std::int32_t> result;
  for (std::uint64_t i = 0; i < set.size(); ++i) result.push_back(set.label(i));
  return result;
}

/// The content of an image; "absent" where read() gives nothing.
std::string content(const ImageSet& set, std::uint64_t i) {
  const auto bytes = set.read(i);
  return bytes ? std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size()) : "absent";
}

// --- class folders ---------------------------------------------------------------------------------------------------

TEST(ClassFolder, TheOrderIsTorchvisions) {
  const TemporaryDirectory d;
  for (const char* file : {"b/2.jpg", "b/10.jpg", "b/a/x.PNG", "b/a-b/y.jpeg", "b/a/z/w.webp", "b/note.txt", "b/.jpg",
                           "B/1.tif", "empty/readme", "\xc3\xa9/1.bmp"}) {
    put_below(d / file, file);
  }
  put(d / "stray.jpg", "not in a folder");
  const auto set = open_class_folder(d.path());
  // sorted(os.walk(..)) sorts folders as whole paths: '-' comes before '/'.
  EXPECT_THAT(names(*set), ElementsAre("B/1.tif", "b/.jpg", "b/10.jpg", "b/2.jpg", "b/a/x.PNG", "b/a-b/y.jpeg",
                                       "b/a/z/w.webp", "\xc3\xa9/1.bmp"));
  EXPECT_THAT(set->class_names(), ElementsAre("B", "b", "empty", "\xc3\xa9"));
  EXPECT_THAT(labels(*set), ElementsAre(0, 1, 1, 1, 1, 1, 1, 3));
  EXPECT_EQ(content(*set, 3), "b/2.jpg");
  EXPECT_EQ(set->description(), "8 images in 4 class folders of " + d.path().string());
}

TEST(ClassFolder, LinksAreFollowedAndCirclesRefused) {
  const TemporaryDirectory d;
  put_below(d / "elsewhere/1.jpg", "linked");
  put_below(d / "set/a/2.jpg", "own");
  fs::create_directory_symlink(d / "elsewhere", d / "set/b");
  EXPECT_THAT(names(*open_class_folder(d / "set")), ElementsAre("a/2.jpg", "b/1.jpg"));
  fs::create_directory_symlink(d / "set/a", d / "set/a/again");
  EXPECT_THAT(error_of([&] { open_class_folder(d / "set"); }),
              AllOf(HasSubstr("input: a link leads back to a folder above it"), HasSubstr("a/again")));
}

TEST(ClassFolder, NothingInIt) {
  const TemporaryDirectory d;
  put(d / "a.jpg", "");
  EXPECT_THAT(error_of([&] { open_class_folder(d.path()); }), HasSubstr("found 0 folders without images"));
  EXPECT_THAT(error_of([&] { open_class_folder(d / "absent"); }), HasSubstr("cannot read a folder"));
}

TEST(ClassFolder, FingerprintsFollowNamesSizesAndClasses) {
  const TemporaryDirectory d;
  put_below(d / "a/1.jpg", "1");
  put_below(d / "b/2.jpg", "2");
  const auto fingerprint = [&] { return open_class_folder(d.path())->fingerprint(); };
  const std::string first = fingerprint();
  EXPECT_EQ(fingerprint(), first);
  put_below(d / "b/2.jpg", "22");
  const std::string second = fingerprint();
  EXPECT_NE(second, first);
  fs::rename(d / "b/2.jpg", d / "b/3.jpg");
  EXPECT_NE(fingerprint(), second);
  fs::rename(d / "b/3.jpg", d / "b/2.jpg");
  EXPECT_EQ(fingerprint(), second);
  EXPECT_NE(open_images(d.path(), {}, 0, 1)->fingerprint(), second);
}

TEST(ClassFolder, FilesAreReadOrRefused) {
  const TemporaryDirectory d;
  put_below(d / "a/1.jpg", "1");
  put_below(d / "a/2.jpg", "2");
  ASSERT_TRUE(fixtures::make_sparse(d / "a/3.jpg", (std::uint64_t{256} << 20) + 1));
  fs::create_directories(d / "a/4.jpg");  // a folder with an image's name is a folder
  const auto set = open_class_folder(d.path());
  ASSERT_EQ(set->size(), 3U);
  fs::remove(d / "a/1.jpg");
  EXPECT_EQ(content(*set, 0), "absent");
  EXPECT_EQ(content(*set, 1), "2");
  EXPECT_THAT(error_of([&] { set->read(2); }),
              AllOf(HasSubstr("268435457 bytes, and at most 268435456"), HasSubstr("3.jpg")));
}

// --- lists -----------------------------------------------------------------------------------------------------------

TEST(ImageList, PathsAndLabels) {
  const TemporaryDirectory d;
  put_below(d / "in/b 1.jpg", "b");
  put(d / "list.txt", "\xef\xbb\xbfin/b 1.jpg\r\nin/absent,x.jpg\r\n\r\n");
  auto set = open_image_list(d / "list.txt");
  EXPECT_THAT(names(*set), ElementsAre("in/b 1.jpg", "in/absent,x.jpg"));
  EXPECT_THAT(labels(*set), ElementsAre(0, 0));
  EXPECT_EQ(content(*set, 0), "b");
  EXPECT_EQ(content(*set, 1), "absent");
  put(d / "list.txt", "b 1.jpg\t7\nc\t0\n");
  set = open_image_list(d / "list.txt", d / "in");
  EXPECT_THAT(labels(*set), ElementsAre(7, 0));
  EXPECT_THAT(set->class_names(), testing::IsEmpty());
  EXPECT_EQ(content(*set, 0), "b");
  put(d / "list.txt", "b 1.jpg\tdog\nc\tcat\ne\t7");
  set = open_image_list(d / "list.txt");
  EXPECT_THAT(set->class_names(), ElementsAre("7", "cat", "dog"));
  EXPECT_THAT(labels(*set), ElementsAre(2, 1, 0));
}

TEST(ImageList, BadLinesAreNamed) {
  const TemporaryDirectory d;
  const auto refusal = [&](std::string_view text) {
    put(d / "list.txt", text);
    return error_of([&] { open_image_list(d / "list.txt"); });
  };
  EXPECT_THAT(refusal(""), HasSubstr("found an empty file"));
  EXPECT_THAT(refusal("\n\n"), HasSubstr("found an empty file"));
  EXPECT_THAT(refusal("a\n\nb\n"), AllOf(HasSubstr("expected a path and found none"), HasSubstr("list.txt, line 2")));
  EXPECT_THAT(refusal("a\nb\t1\n"), AllOf(HasSubstr("the first line with a label"), HasSubstr("line 2")));
  EXPECT_THAT(refusal("a\t1\nb\n"), AllOf(HasSubstr("the line has no label"), HasSubstr("line 2")));
  EXPECT_THAT(refusal("a\t1\t2\n"), AllOf(HasSubstr("expected PATH, a tab and a label"), HasSubstr("line 1")));
  EXPECT_THAT(refusal("a\t\n"), HasSubstr("expected PATH, a tab and a label"));
  EXPECT_THAT(refusal(std::string_view("a\nb\0c\n", 6)), AllOf(HasSubstr("control characters"), HasSubstr("line 2")));
}

// --- JSON ------------------------------------------------------------------------------------------------------------

TEST(ImageJson, TheOriginalsKeys) {
  const TemporaryDirectory d;
  put_below(d / "root/a.jpg", "a");
  put(d / "m.json",
      R"({"label_names": ["x", "y"], "image_names": ["a.jpg", "b.jpg"], "image_labels": [1, 0], "other": 1})");
  auto set = open_image_json(d / "m.json", d / "root");
  EXPECT_THAT(names(*set), ElementsAre("a.jpg", "b.jpg"));
  EXPECT_THAT(labels(*set), ElementsAre(1, 0));
  EXPECT_THAT(set->class_names(), ElementsAre("x", "y"));
  EXPECT_EQ(content(*set, 0), "a");
  EXPECT_EQ(content(*set, 1), "absent");
  put(d / "m.json", R"({"image_names": ["root/a.jpg"], "image_labels": [900]})");
  set = open_image_json(d / "m.json");
  EXPECT_THAT(labels(*set), ElementsAre(900));
  EXPECT_EQ(content(*set, 0), "a");
}

TEST(ImageJson, BadContentIsNamed) {
  const TemporaryDirectory d;
  const auto refusal = [&](const std::string& text) {
    put(d / "m.json", text);
    return error_of([&] { open_image_json(d / "m.json"); });
  };
  EXPECT_THAT(refusal("{"), HasSubstr("malformed at byte"));
  EXPECT_THAT(refusal("[]"), HasSubstr("found the type array"));
  EXPECT_THAT(refusal(R"({"image_labels": []})"), HasSubstr("the key \"image_names\" is missing"));
  EXPECT_THAT(refusal(R"({"image_names": ["a"]})"), HasSubstr("the key \"image_labels\" is missing"));
  EXPECT_THAT(refusal(R"({"image_names": "a", "image_labels": [0]})"),
              HasSubstr("must be a list and is of the type string"));
  EXPECT_THAT(refusal(R"({"image_names": ["a", 1], "image_labels": [0, 0]})"),
              HasSubstr("entry 1 is of the type number"));
  EXPECT_THAT(refusal(R"({"image_names": [""], "image_labels": [0]})"),
              HasSubstr("entry 0 of \"image_names\" is empty"));
  EXPECT_THAT(refusal(R"({"image_names": ["a\u0000"], "image_labels": [0]})"), HasSubstr("zero byte"));
  EXPECT_THAT(refusal(R"({"image_names": ["a"], "image_labels": [0, 1]})"),
              HasSubstr("has 1 entries and \"image_labels\" 2"));
  for (const char* label : {"-1", "0.5", "\"0\"", "true", "2147483648", "1e3", "99999999999999999999"}) {
    EXPECT_THAT(refusal(R"({"image_names": ["a"], "image_labels": [)" + std::string(label) + "]}"),
                HasSubstr("entry 0 is not"))
        << label;
  }
  EXPECT_THAT(refusal(R"({"image_names": ["a"], "image_labels": [1], "label_names": ["x"]})"),
              HasSubstr("from 0 to 0"));
  EXPECT_THAT(refusal(R"({"image_names": [], "image_labels": []})"), HasSubstr("\"image_names\" is empty"));
  EXPECT_THAT(refusal(std::string(200000, '[')), HasSubstr("malformed"));
}

// --- zips ------------------------------------------------------------------------------------------------------------

TEST(ImageZip, MembersInOrderWithFoldersAsClasses) {
  const TemporaryDirectory d;
  put(d / "s.zip", zip_file({{"dog/2.jpg", "two"},
                             {"dog/", ""},
                             {"cat/1.jpg", "one", true},
                             {"cat/readme.txt", ""},
                             {"__MACOSX/dog/._2.jpg", ""}}));
  auto set = open_image_zip(d / "s.zip");
  EXPECT_THAT(names(*set), ElementsAre("s.zip/cat/1.jpg", "s.zip/dog/2.jpg"));
  EXPECT_THAT(set->class_names(), ElementsAre("cat", "dog"));
  EXPECT_THAT(labels(*set), ElementsAre(0, 1));
  EXPECT_EQ(content(*set, 0), "one");
  EXPECT_EQ(content(*set, 1), "two");
  const std::string fingerprint = set->fingerprint();
  put(d / "s.zip", zip_file({{"dog/2.jpg", "tow"}, {"cat/1.jpg", "one"}}));
  EXPECT_NE(open_image_zip(d / "s.zip")->fingerprint(), fingerprint);
  put(d / "s.zip", zip_file({{"dog/2.jpg", "two"}, {"1.jpg", "one"}}));
  set = open_image_zip(d / "s.zip");
  EXPECT_THAT(set->class_names(), testing::IsEmpty());
  EXPECT_THAT(labels(*set), ElementsAre(0, 0));
}

TEST(ImageZip, NamesThatLeadElsewhereAreRefused) {
  const TemporaryDirectory d;
  for (const char* name : {"../a.jpg", "/etc/a.jpg", "a\\b.jpg", "x/../../a.jpg"}) {
    put(d / "s.zip", zip_file({{name, "x"}}));
    EXPECT_THAT(error_of([&] { open_image_zip(d / "s.zip"); }),
                AllOf(HasSubstr("the member's name"), HasSubstr("s.zip")))
        << name;
  }
  put(d / "s.zip", zip_file({{"a.txt", "x"}}));
  EXPECT_THAT(error_of([&] { open_image_zip(d / "s.zip"); }), HasSubstr("none of the zip's 1 members is an image"));
}

// --- numbered zips ---------------------------------------------------------------------------------------------------

class NumberedZips : public testing::Test {
 protected:
  NumberedZips() {
    for (const auto& [zip, folder] : {std::pair{"000", "00"}, {"001", "00"}, {"003", "00"}, {"000", "01"}}) {
      put_below(d / (std::string(folder) + "/" + zip + ".zip"),
                zip_file({{"000.jpg", std::string(folder) + zip + "000"},
                          {"007.jpg", std::string(folder) + zip + "007", true}}));
    }
  }
  TemporaryDirectory d;
};

TEST_F(NumberedZips, NumbersAreMembers) {
  EXPECT_EQ(numbered_zips_end(d.path()), 1001000U);
  const auto set = open_numbered_zips(d.path(), 5, 2000, false);
  ASSERT_EQ(set->size(), 1995U);
  EXPECT_EQ(set->name(2), "00/000.zip/007.jpg");
  EXPECT_EQ(content(*set, 2), "00000007");
  EXPECT_EQ(content(*set, 3), "absent");
  EXPECT_EQ(content(*set, 995), "00001000");
  EXPECT_EQ(content(*set, 1002), "00001007");
  const auto last = open_numbered_zips(d.path(), 1000000, 1000001, false);
  EXPECT_EQ(last->name(0), "01/000.zip/000.jpg");
  EXPECT_EQ(content(*last, 0), "01000000");
}

TEST_F(NumberedZips, MissingZips) {
  EXPECT_THAT(error_of([&] { open_numbered_zips(d.path(), 0, 5001, false); }),
              HasSubstr("input: 3 of the 6 zips of images 0 to 5000 are absent, the first 00/002.zip"));
  const auto set = open_numbered_zips(d.path(), 0, 5001, true);
  EXPECT_EQ(content(*set, 2000), "absent");
  EXPECT_EQ(content(*set, 3007), "00003007");
  const std::string before = set->fingerprint();
  put(d / "00/002.zip", zip_file({{"000.jpg", "new"}}));
  EXPECT_NE(open_numbered_zips(d.path(), 0, 5001, true)->fingerprint(), before);
  EXPECT_THAT(error_of([&] { open_numbered_zips(d.path(), 5, 5, true); }), HasSubstr("usage: "));
  EXPECT_THAT(error_of([&] { open_numbered_zips(d.path(), 0, 100000001, true); }), HasSubstr("usage: "));
  put(d / "00/002.zip", "no zip at all, but long enough");
  EXPECT_THAT(error_of([&] { open_numbered_zips(d.path(), 0, 3000, true)->read(2000); }),
              AllOf(HasSubstr("input: expected a zip file"), HasSubstr("00/002.zip")));
}

TEST_F(NumberedZips, MoreZipsThanAreKeptOpenByManyThreads) {
  for (int zip = 0; zip < 40; ++zip) {
    const std::string name = std::to_string(100 + zip);
    put(d / ("00/" + name + ".zip"), zip_file({{"000.jpg", name}}));
  }
  const auto set = open_numbered_zips(d.path(), 100000, 140000, false);
  std::vector<int> wrong(4, 0);
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 120; ++i) {
          const int zip = (i * (t + 1)) % 40;
          wrong[t] += content(*set, 1000 * zip) != std::to_string(100 + zip);
        }
      });
    }
  }
  EXPECT_THAT(wrong, testing::Each(0));
}

// --- open_images -----------------------------------------------------------------------------------------------------

TEST_F(NumberedZips, OpenImagesFindsTheKind) {
  EXPECT_EQ(open_images(d.path(), {}, 0, 2000)->size(), 2000U);
  EXPECT_EQ(open_images(d.path(), {}, 3000, {}, true)->size(), 998000U);
  EXPECT_EQ(open_images(d / "00/000.zip")->size(), 2U);
  put_below(d / "set/a/1.jpg", "");
  put_below(d / "set/b/2.jpg", "");
  EXPECT_EQ(open_images(d / "set")->class_names().size(), 2U);
  put(d / "l.txt", "set/a/1.jpg\nset/b/2.jpg\n00/000.zip");
  auto set = open_images(d / "l.txt", {}, 1, 3);
  EXPECT_THAT(names(*set), ElementsAre("set/b/2.jpg", "00/000.zip"));
  set = open_images(d / "l.txt", {}, 1);
  EXPECT_THAT(names(*set), ElementsAre("set/b/2.jpg", "00/000.zip"));
  EXPECT_THAT(set->description(), HasSubstr("rows 1 to 2 of 3 images that"));
  put(d / "m.JSON", R"({"image_names": ["a"], "image_labels": [0]})");
  EXPECT_EQ(open_images(d / "m.JSON", d / "set")->size(), 1U);
  EXPECT_THAT(error_of([&] { open_images(d / "absent"); }), HasSubstr("input: the images are not there"));
  EXPECT_THAT(error_of([&] { open_images(d / "l.txt", {}, 3); }), HasSubstr("usage: the rows 3 to 3"));
  EXPECT_THAT(error_of([&] { open_images(d / "l.txt", {}, 0, 4); }), HasSubstr("usage: the rows 0 to 4"));
  EXPECT_THAT(error_of([&] { open_images(d / "l.txt", {}, 2, 1); }), HasSubstr("usage: the rows 2 to 1"));
  EXPECT_THAT(error_of([&] { open_images(d / "set", d / "set"); }), HasSubstr("usage: a root folder is for lists"));
}

}  // namespace
}  // namespace lowshot
