#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lowshot/io.h"
#include "oracle/files.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using fixtures::put;
using fixtures::TemporaryDirectory;
using oracle::error_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

/// A good file of five classes, with one key's value replaced (or added; or the key dropped where `value` is empty).
std::string file_with(const std::string& key = "", const std::string& value = "") {
  const std::pair<const char*, const char*> members[] = {{"label_names", R"(["a", "b", "c", "d", "e"])"},
                                                         {"base_classes_1", "[1, 3]"},
                                                         {"base_classes_2", "[5]"},
                                                         {"novel_classes_1", "[2]"},
                                                         {"novel_classes_2", "[4]"}};
  std::string text;
  bool replaced = false;
  for (const auto& [name, content] : members) {
    const bool this_one = name == key;
    replaced |= this_one;
    if (this_one && value.empty()) continue;
    text += (text.empty() ? "\"" : ", \"") + std::string(name) + "\": " + (this_one ? value : content);
  }
  if (!replaced && !key.empty()) text += ", \"" + key + "\": " + value;
  return "{" + text + "}";
}

TEST(LabelIdx, IdsBecomeZeroBased) {
  const TemporaryDirectory directory;
  put(directory / "l.json", file_with());
  const ClassSets sets = read_class_sets(directory / "l.json");
  EXPECT_THAT(sets.names, ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_THAT(sets.base[0], ElementsAre(0, 2));
  EXPECT_THAT(sets.base[1], ElementsAre(4));
  EXPECT_THAT(sets.novel[0], ElementsAre(1));
  EXPECT_THAT(sets.novel[1], ElementsAre(3));
}

TEST(LabelIdx, OptionalAndUnknownKeysAndEmptyLists) {
  const TemporaryDirectory directory;
  put(directory / "l.json", file_with("base_classes", "[5, 1, 3]"));
  EXPECT_NO_THROW(read_class_sets(directory / "l.json"));
  put(directory / "l.json", file_with("novel_classes", "[2, 4]"));
  EXPECT_NO_THROW(read_class_sets(directory / "l.json"));
  put(directory / "l.json", file_with("comment", "{\"x\": 1}"));
  EXPECT_NO_THROW(read_class_sets(directory / "l.json"));
  put(directory / "l.json", file_with("novel_classes_2", "[]"));
  EXPECT_THAT(read_class_sets(directory / "l.json").novel[1], IsEmpty());
}

TEST(LabelIdx, MalformedInAnyWayItGivesASentenceWithKeyAndValue) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "l.json";
  const std::vector<std::pair<std::string, std::vector<const char*>>> cases = {
      {"", {"malformed"}},
      {"{\"label_names\": [", {"malformed at byte"}},
      {file_with() + "x", {"malformed at byte"}},
      {std::string("\xff\xfe\x00", 3), {"malformed"}},
      {"[1, 2]", {"found a list"}},
      {"null", {"object", "null"}},
      {"\"" + std::string(500, 'x') + "\"", {"object", "xxx..."}},
      {file_with("label_names", ""), {"\"label_names\" is missing"}},
      {file_with("novel_classes_2", ""), {"\"novel_classes_2\" is missing"}},
      {file_with("label_names", "{}"), {"\"label_names\"", "must be a list and is an object"}},
      {file_with("label_names", "[\"a\", 7]"), {"\"label_names\"", "entry 1 is 7"}},
      {file_with("base_classes_1", "3"), {"\"base_classes_1\"", "list", "3"}},
      {file_with("base_classes_1", "[0]"), {"\"base_classes_1\"", "from 1 to 5", "entry 0 is 0"}},
      {file_with("base_classes_1", "[1, 6]"), {"\"base_classes_1\"", "from 1 to 5", "entry 1 is 6"}},
      {file_with("base_classes_1", "[-1]"), {"\"base_classes_1\"", "-1"}},
      {file_with("base_classes_1", "[18446744073709551615]"), {"18446744073709551615"}},
      {file_with("base_classes_1", "[-9223372036854775808]"), {"-9223372036854775808"}},
      {file_with("base_classes_1", "[99999999999999999999999]"), {"\"base_classes_1\"", "entry 0"}},
      {file_with("base_classes_1", "[1.0]"), {"\"base_classes_1\"", "1.0"}},
      {file_with("base_classes_1", "[\"1\"]"), {"\"base_classes_1\"", "\"1\""}},
      {file_with("base_classes_1", "[true]"), {"\"base_classes_1\"", "true"}},
      {file_with("base_classes_1", "[null]"), {"\"base_classes_1\"", "null"}},
      {file_with("base_classes_1", "[[1]]"), {"\"base_classes_1\"", "entry 0 is a list"}},
      {file_with("novel_classes_1", "[2, 1, 2]"), {"\"novel_classes_1\"", "class id 2 twice"}},
      {file_with("base_classes", "[1, 3]"), {"\"base_classes\"", "class id 5 is only in the latter"}},
      {file_with("base_classes", "[1, 2, 3, 5]"), {"\"base_classes\"", "class id 2 is only in the former"}},
      {file_with("novel_classes", "7"), {"\"novel_classes\"", "list"}},
  };
  for (const auto& [text, expected] : cases) {
    put(path, text);
    const std::string error = error_of([&] { read_class_sets(path); });
    EXPECT_THAT(error, AllOf(StartsWith("input: "), HasSubstr(path.string()))) << text;
    for (const char* part : expected) EXPECT_THAT(error, HasSubstr(part)) << text;
  }
}

TEST(LabelIdx, DeepNestingIsRefusedAndNotRecursedInto) {
  const TemporaryDirectory directory;
  put(directory / "l.json", file_with("base_classes_1", std::string(100'000, '[') + std::string(100'000, ']')));
  EXPECT_THAT(error_of([&] { read_class_sets(directory / "l.json"); }),
              AllOf(StartsWith("input: "), HasSubstr("\"base_classes_1\"")));
}

TEST(LabelIdx, TheFullDataSet) {
  LOWSHOT_FULL_DATA_OR_SKIP(data);
  const ClassSets sets = read_class_sets(data / "label_idx.json");
  EXPECT_EQ(sets.names.size(), 100u);
  for (const int s : {0, 1}) {
    EXPECT_EQ(sets.base[s].size(), 30u);
    EXPECT_EQ(sets.novel[s].size(), 20u);
  }
}

}  // namespace
}  // namespace lowshot
