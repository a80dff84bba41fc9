#include "checkpoint/pickle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "oracle/files.h"
#include "oracle/views.h"

namespace lowshot::checkpoint {
namespace {

using fixtures::put;
using fixtures::raw;
using fixtures::TemporaryDirectory;
using oracle::error_of;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;
using Kind = PickleValue::Kind;
using namespace std::string_literals;

// Opcodes by hand: what Python's pickletools documents, written out here apart from the library.
const std::string begin = "\x80\x02"s;

std::string text(const std::string& s) {
  return raw('X') + raw(static_cast<std::uint32_t>(s.size())) + s;
}
std::string global(const std::string& module, const std::string& name) {
  return "c" + module + "\n" + name + "\n";
}
/// A storage of 6 floats under the key "0".
const std::string storage =
    "("s + text("storage") + global("torch", "FloatStorage") + text("0") + text("cpu") + "K\6tQ";

Pickle read(const std::string& bytes) {
  const TemporaryDirectory directory;
  put(directory / "p", bytes);
  const io::InputFile file(directory / "p");
  return read_pickle(file, 0, file.size());
}
std::string refusal(const std::string& bytes) {
  return error_of([&] { read(bytes); });
}

TEST(Pickle, ReadsNumbers) {
  const auto number = [](const std::string& opcodes) { return read(begin + opcodes + ".").root().integer; };
  EXPECT_EQ(number("K\xff"), 255);
  EXPECT_EQ(number("M\xff\xff"), 65535);
  EXPECT_EQ(number("J\xff\xff\xff\xff"), -1);
  EXPECT_EQ(number("J"s + raw(std::int32_t{-123456789})), -123456789);
  EXPECT_EQ(number("\x8a\0"s), 0);
  EXPECT_EQ(number("\x8a\1\xff"), -1);
  EXPECT_EQ(number("\x8a\1\x7f"), 127);
  EXPECT_EQ(number("\x8a\2\xff\0"s), 255);
  EXPECT_EQ(number("\x8a\5\0\0\0\0\x80"s), -(std::int64_t{1} << 39));
  EXPECT_EQ(number("\x8a\x08"s + raw(INT64_MIN)), INT64_MIN);
  EXPECT_EQ(number("\x8b"s + raw(std::uint32_t{8}) + raw(INT64_MAX)), INT64_MAX);
  EXPECT_EQ(number("\x88"), 1);
  EXPECT_EQ(number("\x89"), 0);
  EXPECT_EQ(read(begin + "G\xbf\xf8\0\0\0\0\0\0."s).root().real, -1.5);
  const Pickle big = read(begin + "\x8a\x09" + std::string(9, '\1') + ".");
  EXPECT_TRUE(big.root().is(Kind::big_integer));
  EXPECT_EQ(big.root().text, std::string(9, '\1'));
}

TEST(Pickle, ReadsTextOfEveryLengthField) {
  for (const std::string& s : {""s, "weight"s, std::string(300, 'x'), std::string(20000, 'y')}) {
    for (const std::string& bytes : {text(s), raw('T') + raw(static_cast<std::uint32_t>(s.size())) + s,
                                     raw('\x8d') + raw(static_cast<std::uint64_t>(s.size())) + s}) {
      const Pickle pickle = read(begin + bytes + ".");
      EXPECT_TRUE(pickle.root().is(Kind::string));
      EXPECT_EQ(pickle.root().text, s);
    }
  }
  EXPECT_EQ(read(begin + "U\3abc.").root().text, "abc");
  EXPECT_EQ(read(begin + "\x8c\3abc.").root().text, "abc");
  EXPECT_TRUE(read(begin + "C\3abc.").root().is(Kind::bytes));
  EXPECT_TRUE(read(begin + "B\3\0\0\0abc."s).root().is(Kind::bytes));
}

TEST(Pickle, ReadsContainers) {
  const Pickle pickle = read(begin + "}(" + text("a") + "](K\1K\2e" + text("b") + "K\3K\4\x86u" + text("a") + "Ns.");
  ASSERT_TRUE(pickle.root().is(Kind::dict));
  EXPECT_EQ(pickle.root().items.size(), 6u);
  const PickleValue* b = pickle.find(pickle.root(), "b");
  ASSERT_NE(b, nullptr);
  ASSERT_TRUE(b->is(Kind::tuple));
  EXPECT_EQ(pickle[b->items[1]].integer, 4);
  EXPECT_TRUE(pickle.find(pickle.root(), "a")->is(Kind::none)) << "the last of two values counts, as in Python";
  EXPECT_EQ(pickle.find(pickle.root(), "c"), nullptr);
}

TEST(Pickle, AMemoGivesTheSameValueAgain) {
  const Pickle pickle = read(begin + "](]q\5h\5r\1\1\0\0j\1\1\0\0e."s);
  ASSERT_EQ(pickle.root().items.size(), 3u);
  EXPECT_EQ(pickle.root().items[0], pickle.root().items[2]);
  EXPECT_EQ(read("\x80\x04\x95\5\0\0\0\0\0\0\0]\x94h\0\x86."s).root().items.size(), 2u);
}

TEST(Pickle, EndsWhereItEnds) {
  const Pickle pickle = read(begin + "N.behind");
  EXPECT_EQ(pickle.end, 4u);
}

TEST(Pickle, MakesTensorsOfTheirCalls) {
  const std::string arguments = "K\2K\3K\2\x86K\2K\1\x86";
  const std::string hooks = "\x89"s + global("collections", "OrderedDict") + ")R";
  const std::string v2 = global("torch._utils", "_rebuild_tensor_v2") + "(" + storage + arguments + hooks + "tR";
  const std::string v1 = global("torch._utils", "_rebuild_tensor") + "(" + storage + arguments + "tR";
  const std::string size = global("torch._utils", "_rebuild_tensor") + "(" + storage + "K\2" + global("torch", "Size") +
                           "K\3K\2\x86\x85RK\2K\1\x86tR";
  const std::string parameter = global("torch._utils", "_rebuild_parameter") + v2 + hooks + "\x87R";
  for (const std::string& tensor : {v2, v1, size, parameter}) {
    const Pickle pickle = read(begin + tensor + ".");
    ASSERT_TRUE(pickle.root().is(Kind::tensor));
    ASSERT_EQ(pickle.root().items.size(), 4u);
    EXPECT_TRUE(pickle[pickle.root().items[0]].is(Kind::storage));
    EXPECT_EQ(pickle[pickle.root().items[1]].integer, 2);
    EXPECT_EQ(pickle[pickle[pickle.root().items[2]].items[0]].integer, 3);
    EXPECT_EQ(pickle[pickle[pickle.root().items[3]].items[1]].integer, 1);
  }
}

TEST(Pickle, OrderedDictsOfPythons2And3) {
  const std::string ordered = global("collections", "OrderedDict");
  const Pickle pairs = read(begin + ordered + "](](" + text("a") + "K\1e](" + text("b") + "K\2ee\x85R.");
  EXPECT_TRUE(pairs.root().is(Kind::ordered_dict));
  EXPECT_EQ(pairs.find(pairs.root(), "b")->integer, 2);
  const Pickle items = read(begin + ordered + ")R(" + text("a") + "K\1u}" + text("_metadata") + "Nsb.");
  EXPECT_EQ(items.find(items.root(), "a")->integer, 1);
  EXPECT_EQ(items.find(items.root(), "_metadata"), nullptr);
}

TEST(Pickle, EveryOtherOpcodeIsRefusedByNameAndByte) {
  for (int opcode = 0; opcode < 256; ++opcode) {
    const bool known =
        "N.JKMGXTUCB])}t(01aesuqrhjcQRb\x80\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x93\x94\x95\x96"s.find(
            static_cast<char>(opcode)) != std::string::npos;
    const std::string message = refusal(begin + "NN" + static_cast<char>(opcode) + std::string(40, '\0'));
    EXPECT_THAT(message, StartsWith("input: "));
    if (known) continue;
    const std::string name(opcode_name(static_cast<std::uint8_t>(opcode)));
    EXPECT_THAT(message, HasSubstr("byte 4;")) << opcode;
    EXPECT_THAT(message, HasSubstr(name.empty() ? "is no opcode" : "pickle's "s + name)) << opcode;
  }
}

TEST(Pickle, GlobalsBeyondTheListAreRefusedByName) {
  EXPECT_THAT(refusal(begin + global("posix", "system") + text("x") + "\x85R."),
              AllOf(HasSubstr("asks for 'posix.system'"), HasSubstr("byte 2;"), HasSubstr("state_dict()")));
  EXPECT_THAT(refusal(begin + text("os") + text("system") + "\x93."), HasSubstr("'os.system'"));
  EXPECT_THAT(refusal(begin + global("torch._utils", "_rebuild_qtensor") + "."), HasSubstr("_rebuild_qtensor"));
  EXPECT_THAT(refusal(begin + global("collections\x1b[2J", "x") + "."), HasSubstr("'collections?[2J.x'"));
  EXPECT_THAT(refusal(begin + global(std::string(2000, 'a'), "x") + "."), HasSubstr("more than 1000 bytes"));
}

TEST(Pickle, CirclesAreFoundWhereverTheyAre) {
  EXPECT_THAT(refusal(begin + "]q\0h\0a."s), HasSubstr("a list that contains itself"));
  EXPECT_THAT(refusal(begin + "}q\0Nh\0s."s), HasSubstr("a dict that contains itself"));
  EXPECT_THAT(refusal(begin + "]q\0h\0\x85\x85\x85\x61."s), HasSubstr("contains itself"));
  // Not even reachable from the top.
  EXPECT_THAT(refusal(begin + "]q\0h\0a0N."s), HasSubstr("contains itself"));
  // The same value twice is no circle.
  EXPECT_EQ(read(begin + "](]q\0h\0e."s).root().items.size(), 2u);
}

TEST(Pickle, DepthAndSharingCostNoMoreThanTheFile) {
  const std::size_t deep = 1'000'000;
  EXPECT_EQ(read(begin + std::string(deep, ']') + std::string(deep - 1, 'a') + ".").values.size(), deep);
  std::string laughs = begin + "]q\0"s;
  for (int i = 0; i < 200; ++i) {
    const std::string before{'h', static_cast<char>(i)};
    laughs += "]("s + before + before + "eq" + static_cast<char>(i + 1);
  }
  laughs = begin + "(" + laughs.substr(2) + "t.";
  EXPECT_EQ(read(laughs).values.size(), 202u);
}

TEST(Pickle, CopiesOfTheSameListAreBounded) {
  std::string bytes = begin + "](";
  for (int i = 0; i < 1000; ++i) bytes += "NN\x86";
  bytes += "eq\0"s + global("collections", "OrderedDict") + "q\1";
  for (int i = 0; i < 1000; ++i) bytes += "h\1h\0\x85R"s;
  EXPECT_THAT(refusal(bytes + "."), HasSubstr("more keys than it has bytes"));
}

TEST(Pickle, ValuesAreCounted) {
  EXPECT_THAT(refusal(begin + std::string((1 << 22) + 1, 'N') + "."), HasSubstr("more than 4194304 values"));
}

TEST(Pickle, CutAnywhereIsAnError) {
  const std::string whole = begin + "}(" + text("a") + "](K\1K\2e" + text("b") + storage + "u.";
  ASSERT_EQ(error_of([&] { read(whole); }), "nothing was thrown");
  for (std::size_t length = 0; length < whole.size(); ++length)
    EXPECT_THAT(refusal(whole.substr(0, length)), StartsWith("input: ")) << length;
}

}  // namespace
}  // namespace lowshot::checkpoint
