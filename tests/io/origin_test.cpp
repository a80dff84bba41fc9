#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "lowshot/io.h"
#include "oracle/files.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using fixtures::bytes_of;
using fixtures::put;
using fixtures::TemporaryDirectory;
using oracle::error_of;
using testing::HasSubstr;

const Origin origin = {{{"block0.hdf5", "0123"}, {"PCAR256.vt", "4567"}}, {{"k", "32"}, {"metric", "cosine"}}};

TEST(Origin, EqualOnlyWhenInputsAndOptionsAre) {
  const TemporaryDirectory directory;
  const fs::path file = directory / "graph.int32";
  EXPECT_EQ(check_origin(file, origin), OriginState::absent);
  write_origin(file, origin);
  EXPECT_TRUE(fs::exists(directory / "graph.int32.meta.json"));
  EXPECT_EQ(check_origin(file, origin), OriginState::equal);
  Origin other = origin;
  std::swap(other.inputs[0], other.inputs[1]);
  EXPECT_EQ(check_origin(file, other), OriginState::equal) << "the order of names means nothing";
  other.inputs[0].second = "4568";
  EXPECT_EQ(check_origin(file, other), OriginState::different);
  other = origin;
  other.options[0].second = "16";
  EXPECT_EQ(check_origin(file, other), OriginState::different);
  other = origin;
  other.options.pop_back();
  EXPECT_EQ(check_origin(file, other), OriginState::different);
  other = origin;
  other.inputs.push_back({"extra", "89"});
  EXPECT_EQ(check_origin(file, other), OriginState::different);
}

TEST(Origin, HoldsTheFormatAndTheProgramsVersion) {
  const TemporaryDirectory directory;
  write_origin(directory / "a", origin);
  auto json = nlohmann::json::parse(bytes_of(directory / "a.meta.json"));
  EXPECT_EQ(json["inputs"]["block0.hdf5"], "0123");
  EXPECT_EQ(json["options"]["metric"], "cosine");
  EXPECT_THAT(json["program"].get<std::string>(), testing::StartsWith("lowshot "));
  json["format"] = json["format"].get<int>() + 1;
  put(directory / "a.meta.json", json.dump());
  EXPECT_EQ(check_origin(directory / "a", origin), OriginState::different);
}

TEST(Origin, IsReadAsItWasWritten) {
  const TemporaryDirectory directory;
  EXPECT_FALSE(read_origin(directory / "a"));
  write_origin(directory / "a", origin);
  const auto read = read_origin(directory / "a");
  ASSERT_TRUE(read);
  EXPECT_THAT(read->inputs, testing::UnorderedElementsAreArray(origin.inputs));
  EXPECT_THAT(read->options, testing::UnorderedElementsAreArray(origin.options));
  EXPECT_EQ(read->content, "");
}

TEST(Origin, TheContentIsSaidAndNotPartOfIt) {
  const TemporaryDirectory directory;
  Origin whole = origin;
  whole.content = "89ab";
  write_origin(directory / "a", whole);
  EXPECT_EQ(read_origin(directory / "a")->content, "89ab");
  EXPECT_EQ(check_origin(directory / "a", origin), OriginState::equal);
}

TEST(Origin, ADamagedSideCarIsAnotherOrigin) {
  const TemporaryDirectory directory;
  for (const char* text : {"", "{", "[]", "null", "{}", "{\"format\": []}", "{\"format\": 1, \"inputs\": 3}"}) {
    put(directory / "a.meta.json", text);
    EXPECT_EQ(check_origin(directory / "a", origin), OriginState::different) << text;
    EXPECT_FALSE(read_origin(directory / "a")) << text;
  }
}

TEST(HashFile, IsXxh3OfTheContent) {
  const TemporaryDirectory directory;
  // Computed by the xxhsum program: XXH3-64 of nothing, and of 400,000 times "lowshot " (several blocks of reading).
  put(directory / "a", "");
  EXPECT_EQ(hash_file(directory / "a"), "2d06800538d394c2");
  std::string text;
  for (int i = 0; i < 400'000; ++i) text += "lowshot ";
  put(directory / "a", text);
  const std::string hash = hash_file(directory / "a");
  EXPECT_EQ(hash, "acaa7f7aac01d392");
  text[2'000'000] = 'x';
  put(directory / "a", text);
  EXPECT_NE(hash_file(directory / "a"), hash);
  EXPECT_THAT(error_of([&] { hash_file(directory / "absent"); }), HasSubstr("No such file"));
}

}  // namespace
}  // namespace lowshot
