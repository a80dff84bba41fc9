// Whole checkpoints put together by hand; tests/cli/test_model.py reads many more of them through the program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lowshot/named_tensors.h"
#include "oracle/files.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using fixtures::put;
using fixtures::raw;
using fixtures::TemporaryDirectory;
using oracle::error_of;
using testing::ElementsAre;
using testing::HasSubstr;
using namespace std::string_literals;

std::string text(const std::string& s) {
  return raw('X') + raw(static_cast<std::uint32_t>(s.size())) + s;
}

/// {"w": a tensor of `arguments` (offset, sizes, strides)} over a storage "0" of 6 floats, 0 to 5, of which a view may
/// be named, in the stream format.
std::string checkpoint(const std::string& arguments, const std::string& view = "N") {
  const std::string begin = "\x80\2";
  const std::string storage =
      raw('(') + text("storage") + "ctorch\nFloatStorage\n" + text("0") + text("cpu") + "K\6" + view + "tQ";
  std::string bytes = begin + "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." + begin + "M\xe9\3." + begin + "}(" +
                      text("little_endian") + "\x88" + text("type_sizes") + "}(" + text("short") + "K\2" + text("int") +
                      "K\4"s + text("long") + "K\4uu." + begin + "}" + text("w") + "ctorch._utils\n_rebuild_tensor\n(" +
                      storage + arguments + "tRs." + begin + "]" + text("0") + "a." + raw(std::int64_t{6});
  for (int i = 0; i < 6; ++i) bytes += raw(static_cast<float>(i));
  return bytes;
}

std::vector<float> values_of(const std::string& bytes) {
  const TemporaryDirectory directory;
  put(directory / "c", bytes);
  return read_checkpoint(directory / "c").at("w").float_values();
}
std::string refusal(const std::string& bytes) {
  return error_of([&] { values_of(bytes); });
}

TEST(ReadCheckpoint, OffsetsAndStrides) {
  EXPECT_THAT(values_of(checkpoint("K\0K\2K\3\x86K\3K\1\x86"s)), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(values_of(checkpoint("K\0K\3K\2\x86K\1K\3\x86"s)), ElementsAre(0, 3, 1, 4, 2, 5)) << "transposed";
  EXPECT_THAT(values_of(checkpoint("K\1K\2K\2\x86K\3K\1\x86"s)), ElementsAre(1, 2, 4, 5)) << "a part";
  EXPECT_THAT(values_of(checkpoint("K\4K\2K\2\x86K\0K\1\x86"s)), ElementsAre(4, 5, 4, 5)) << "expanded";
  EXPECT_THAT(values_of(checkpoint("K\5))"s)), ElementsAre(5)) << "one value";
  EXPECT_THAT(values_of(checkpoint("K\1K\1K\3\x86K\x63K\2\x86"s)), ElementsAre(1, 3, 5)) << "a side of 1, any stride";
  EXPECT_TRUE(values_of(checkpoint("K\0K\0K\3\x86K\3K\1\x86"s)).empty());
}

TEST(ReadCheckpoint, ViewsOfStoragesAsBeforePyTorch04) {
  const auto view = [](const std::string& first, const std::string& count) {
    return text("1") + "K" + first + "K" + count + "\x87";
  };
  EXPECT_THAT(values_of(checkpoint("K\1K\2\x85K\1\x85", view("\2", "\4"))), ElementsAre(3, 4));
  EXPECT_THAT(refusal(checkpoint("K\3K\2\x85K\1\x85", view("\2", "\4"))), HasSubstr("goes beyond its storage of 4"));
  EXPECT_THAT(refusal(checkpoint("K\1K\2\x85K\1\x85", view("\3", "\4"))), HasSubstr("goes beyond its storage of 6"));
  EXPECT_THAT(refusal(checkpoint("K\1K\2\x85K\1\x85", "K\1")), HasSubstr("the view of a storage is the number 1"));
}

TEST(ReadCheckpoint, CutAnywhereIsAnError) {
  const std::string whole = checkpoint("K\0K\2K\3\x86K\3K\1\x86"s);
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_THAT(refusal(whole.substr(0, length)), testing::StartsWith("input: ")) << length;
}

}  // namespace
}  // namespace lowshot
