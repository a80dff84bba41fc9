#include "checkpoint/safetensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "oracle/files.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using fixtures::bytes_of;
using fixtures::put;
using fixtures::raw;
using fixtures::TemporaryDirectory;
using oracle::error_of;
using testing::HasSubstr;

Tensor tensor(TensorType type, std::vector<std::uint64_t> shape, const std::string& bytes) {
  Tensor t{type, std::move(shape), std::vector<std::byte>(bytes.size())};
  std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(t.bytes.data()));
  return t;
}

NamedTensors one_of_each() {
  NamedTensors tensors;
  const TensorType types[] = {TensorType::float16, TensorType::bfloat16, TensorType::float32, TensorType::float64,
                              TensorType::int8,    TensorType::uint8,    TensorType::int16,   TensorType::int32,
                              TensorType::int64,   TensorType::boolean};
  for (const TensorType type : types)
    tensors[std::string(name(type))] = tensor(type, {3}, std::string(3 * width(type), static_cast<char>(width(type))));
  tensors["nothing"] = tensor(TensorType::float32, {0, 4}, "");
  tensors["one"] = tensor(TensorType::float32, {}, raw(1.5f));
  tensors["name with \"quotes\" and \xc3\xbc"] = tensor(TensorType::int8, {1}, "x");
  return tensors;
}

TEST(Safetensors, WhatIsWrittenIsReadBack) {
  const TemporaryDirectory directory;
  const NamedTensors tensors = one_of_each();
  write_safetensors(directory / "a", tensors, {{"format", "pt"}});
  const NamedTensors back = read_safetensors(directory / "a");
  ASSERT_EQ(back.size(), tensors.size());
  for (const auto& [name, t] : tensors) {
    EXPECT_EQ(back.at(name).type, t.type) << name;
    EXPECT_EQ(back.at(name).shape, t.shape) << name;
    EXPECT_EQ(back.at(name).bytes, t.bytes) << name;
  }
  EXPECT_EQ(directory.files(), 1u);
}

TEST(Safetensors, NamesAreSortedAndValuesAligned) {
  const TemporaryDirectory directory;
  write_safetensors(directory / "a", one_of_each());
  const std::string bytes = bytes_of(directory / "a");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  EXPECT_EQ(length % 8, 0u);
  const auto header = nlohmann::ordered_json::parse(bytes.substr(8, length));
  EXPECT_FALSE(header.contains("__metadata__"));
  std::string before;
  std::uint64_t last = 0;
  for (const auto& [name, entry] : header.items()) {
    EXPECT_LT(before, name);
    before = name;
    const std::string type = entry["dtype"];
    const std::uint64_t wide = type.ends_with("64") ? 8 : type.ends_with("32") ? 4 : type.ends_with("16") ? 2 : 1;
    EXPECT_EQ(entry["data_offsets"][0].get<std::uint64_t>() % wide, 0u) << name;
    last = std::max(last, entry["data_offsets"][1].get<std::uint64_t>());
  }
  EXPECT_EQ(8 + length + last, bytes.size());
}

TEST(Safetensors, NoTensorsAreAFileToo) {
  const TemporaryDirectory directory;
  write_safetensors(directory / "a", {});
  EXPECT_TRUE(read_safetensors(directory / "a").empty());
}

TEST(Safetensors, NamesThatCannotBeWritten) {
  const TemporaryDirectory directory;
  for (const char* name : {"__metadata__", "a\xff", "a\xed\xa0\x80", "\xc0\x80"}) {
    const NamedTensors tensors{{name, tensor(TensorType::int8, {1}, "x")}};
    EXPECT_THAT(error_of([&] { write_safetensors(directory / "a", tensors); }), HasSubstr("cannot be a name")) << name;
  }
  EXPECT_THAT(error_of([&] { write_safetensors(directory / "a", {}, {{"k", "\xff"}}); }), HasSubstr("cannot be"));
  EXPECT_EQ(directory.files(), 0u);
}

TEST(Safetensors, AHeaderBeyondTheFormatsLimit) {
  const TemporaryDirectory directory;
  if (!fixtures::make_sparse(directory / "a", 200'000'000)) GTEST_SKIP() << "no sparse files here";
  fixtures::put_at(directory / "a", 0, raw(std::uint64_t{100'000'001}) + "{");
  EXPECT_THAT(error_of([&] { read_safetensors(directory / "a"); }), HasSubstr("100000001 bytes"));
}

TEST(Safetensors, CutAnywhereIsAnError) {
  const TemporaryDirectory directory;
  write_safetensors(directory / "a", one_of_each(), {{"format", "pt"}});
  const std::string whole = bytes_of(directory / "a");
  for (std::size_t length = 0; length < whole.size(); ++length) {
    put(directory / "b", whole.substr(0, length));
    EXPECT_THAT(error_of([&] { read_safetensors(directory / "b"); }), testing::StartsWith("input: ")) << length;
  }
}

}  // namespace
}  // namespace lowshot
