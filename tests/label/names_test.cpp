#include "label/names.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace lowshot::label {
namespace {

TEST(Names, AreKeptOneAfterTheOther) {
  Names names;
  EXPECT_EQ(names.size(), 0u);
  for (const char* name : {"a", "", "bcd", ""}) names.add(name);
  ASSERT_EQ(names.size(), 4u);
  EXPECT_EQ(names[0], "a");
  EXPECT_EQ(names[1], "");
  EXPECT_EQ(names[2], "bcd");
  EXPECT_EQ(names[3], "");
}

TEST(PartOf, NameBasenameAndStem) {
  struct Case {
    const char *name, *basename, *stem;
  };
  for (const Case& c : {Case{"a.jpg", "a.jpg", "a"}, Case{"x/y/a.jpg", "a.jpg", "a"},
                        Case{"C:\\x\\a.jpg", "a.jpg", "a"}, Case{"x\\y/a", "a", "a"}, Case{"x.y/a", "a", "a"},
                        Case{"a.tar.gz", "a.tar.gz", "a.tar"}, Case{"x/.hidden", ".hidden", ".hidden"},
                        Case{".a.b", ".a.b", ".a"}, Case{"a.", "a.", "a"}, Case{"x/", "", ""}, Case{"", "", ""}}) {
    EXPECT_EQ(part_of(c.name, MatchBy::name), c.name);
    EXPECT_EQ(part_of(c.name, MatchBy::basename), c.basename) << c.name;
    EXPECT_EQ(part_of(c.name, MatchBy::stem), c.stem) << c.name;
  }
}

TEST(NameIndex, NumbersDifferentNamesInTheOrderInWhichTheyCome) {
  NameIndex index;
  EXPECT_EQ(index.find("a"), NameIndex::absent);
  std::map<std::string, std::uint32_t> expected;
  std::mt19937 random(1);
  for (int i = 0; i < 20000; ++i) {
    const std::string name = i == 5 ? "" : "n" + std::to_string(random() % 9000);
    const auto number = expected.try_emplace(name, static_cast<std::uint32_t>(expected.size())).first->second;
    ASSERT_EQ(index.insert(name), number);
  }
  ASSERT_EQ(index.size(), expected.size());
  for (const auto& [name, number] : expected) {
    EXPECT_EQ(index.find(name), number);
    EXPECT_EQ(index[number], name);
    EXPECT_EQ(index.find(name + "?"), NameIndex::absent);
  }
}

}  // namespace
}  // namespace lowshot::label
