#include "io/npy.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "core/half.h"
#include "lowshot/io.h"
#include "oracle/files.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using fixtures::bytes_of;
using fixtures::put;
using fixtures::raw;
using fixtures::TemporaryDirectory;
using oracle::error_of;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

/// An npy file put together here: version, the dict's text, the values.
std::string npy(int major, const std::string& dict, const std::string& values) {
  std::string bytes = "\x93NUMPY";
  bytes.push_back(static_cast<char>(major));
  bytes.push_back('\0');
  const auto size = static_cast<std::uint32_t>(dict.size());
  bytes += major == 1 ? raw(static_cast<std::uint16_t>(size)) : raw(size);
  return bytes + dict + values;
}

std::string dict(const std::string& descr, const std::string& shape, const std::string& fortran = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }   \n";
}

const std::vector<float> six = {1.5f, -2, 0.25f, 1024, 5, -6.5f};

void expect_six(RowSource& source) {
  ASSERT_EQ(source.rows(), 3u);
  ASSERT_EQ(source.dim(), 2u);
  Matrix<float> rows(3, 2);
  source.read(0, rows);
  for (std::size_t i = 0; i < 6; ++i) EXPECT_EQ(rows.data()[i], six[i]);
  Matrix<float> last(1, 2);
  source.read(2, last);
  EXPECT_EQ(last(0, 1), six[5]);
}

TEST(Npy, ReadsAllVersionsAndFloatTypes) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "a.npy";
  std::vector<Half> halves(6);
  std::vector<double> doubles(six.begin(), six.end());
  convert(six.data(), halves.data(), 6);
  for (int version = 1; version <= 3; ++version) {
    put(path, npy(version, dict("<f4", "(3, 2)"), raw(six.data(), 6)));
    expect_six(*open_npy_rows(path));
    put(path, npy(version, dict("<f2", "(3, 2)"), raw(halves.data(), 6)));
    expect_six(*open_npy_rows(path));
    put(path, npy(version, dict("<f8", "(3, 2)"), raw(doubles.data(), 6)));
    expect_six(*open_npy_rows(path));
  }
}

TEST(Npy, ReadsHeadersAsDifferentWritersSpellThem) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "a.npy";
  for (const std::string header : {"{'shape': (3L, 2L), 'fortran_order': False, 'descr': '<f4'}",
                                   "{\"descr\":\"<f4\",\"fortran_order\":False,\"shape\":(3,2,)}\n",
                                   " { 'descr' : '<f4' , 'fortran_order' : False , 'shape' : ( 3 , 2 ) , } \n"}) {
    put(path, npy(1, header, raw(six.data(), 6)));
    expect_six(*open_npy_rows(path));
  }
}

TEST(Npy, BlocksLargerThanTheConversionBufferAreWhole) {
  const TemporaryDirectory directory;
  const std::size_t rows = 3001, cols = 401;  // 1.2 million values: several blocks of 1 MiB, none of whole rows
  std::vector<double> values(rows * cols);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
  put(directory / "a.npy", npy(1, dict("<f8", "(3001, 401)"), raw(values.data(), values.size())));
  const auto source = open_npy_rows(directory / "a.npy");
  Matrix<float> out(rows - 1, cols);
  source->read(1, out);
  for (std::size_t i = 0; i < out.size(); ++i) ASSERT_EQ(out.data()[i], static_cast<float>(i + cols));
}

TEST(Npy, RefusesWhatItIsNotMadeFor) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "a.npy";
  const std::string values = raw(six.data(), 6);
  const std::vector<std::pair<std::string, const char*>> cases = {
      {npy(1, dict("<f4", "(3, 2)", "True"), values), "fortran_order"},
      {npy(1, dict(">f4", "(3, 2)"), values), "big-endian"},
      {npy(1, dict("|O", "(3, 2)"), values), "pickled"},
      {npy(1, dict("<U4", "(3, 2)"), values), "<U4"},
      {npy(1, dict("<c8", "(3, 1)"), values), "<c8"},
      {npy(1, dict("|u1", "(3, 8)"), values), "|u1"},
      {npy(1, dict("<i4", "(3, 2)"), values), "int32"},
      {npy(1, dict("<f4", "(6,)"), values), "two-dimensional"},
      {npy(1, dict("<f4", "(1, 3, 2)"), values), "two-dimensional"},
      {npy(1, dict("<f4", "()"), values.substr(0, 4)), "two-dimensional"},
      {npy(1, dict("<f4", "(3, 0)"), ""), "at least one dimension"},
      {npy(1, "{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (3, 2), }", values), "several fields"},
      {npy(1, dict("<f4", "(4, 2)"), values), "32 bytes of values and the file holds 24"},
      {npy(1, dict("<f4", "(2, 2)"), values), "16 bytes of values and the file holds 24"},
      {npy(1, dict("<f4", "(4611686018427387904, 4)"), values), "64 bits"},
      {npy(1, dict("<f4", "(99999999999999999999, 4)"), values), "64 bits"},
      {npy(1, dict("<f4", "(-3, 2)"), values), "no length"},
      {npy(4, dict("<f4", "(3, 2)"), values), "4.0"},
      {npy(0, dict("<f4", "(3, 2)"), values), "0.0"},
      {npy(1, "", values), "must be a dict"},
      {npy(1, "{'descr': '<f4', 'fortran_order': False}", values), "must be a dict"},
      {npy(1, "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (3, 2)}", values), "'descr'"},
      {npy(1, "{'descr': '<f4', 'fortran_order': 0, 'shape': (3, 2)}", values), "True nor False"},
      {npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2)} x", values), "behind the dict"},
      {npy(1, "{'descr': '<f4, 'fortran_order': False, 'shape': (3, 2)}", values), "must be a dict"},
      {npy(1, "{'__import__(\"os\")': 1}", values), "must be a dict"},
      {"\x93NUMPX" + npy(1, dict("<f4", "(3, 2)"), values).substr(6), "expected an npy file"},
      {"", "the file ends at byte 0"},
  };
  for (const auto& [bytes, expected] : cases) {
    put(path, bytes);
    EXPECT_THAT(error_of([&] { open_npy_rows(path); }),
                AllOf(StartsWith("input: "), HasSubstr(expected), HasSubstr(path.string())));
  }
}

TEST(Npy, AFileCutAnywhereIsRefused) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "a.npy";
  const std::string whole = npy(2, dict("<f4", "(3, 2)"), raw(six.data(), 6));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    put(path, whole.substr(0, size));
    EXPECT_THAT(error_of([&] { open_npy_rows(path); }), StartsWith("input: ")) << size;
  }
  put(path, whole + "x");
  EXPECT_THAT(error_of([&] { open_npy_rows(path); }), HasSubstr("24 bytes of values and the file holds 25"));
}

TEST(Npy, ADamagedHeaderIsRefusedOrReadButNeverTrusted) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "a.npy";
  const std::string whole = npy(2, dict("<f4", "(3, 2)"), raw(six.data(), 6));
  for (std::size_t at = 0; at < whole.size() - 24; ++at) {
    for (const int change : {1, 2, 4, 8, 16, 32, 64, 128, 255}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ change);
      put(path, damaged);
      try {
        const auto source = open_npy_rows(path);
        EXPECT_EQ(source->rows() * source->dim(), 6u) << at;  // 3 x 2 in another spelling
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::input);
      }
    }
  }
}

TEST(Npy, NoRowsAreAFileToo) {
  const TemporaryDirectory directory;
  put(directory / "a.npy", npy(1, dict("<f4", "(0, 5)"), ""));
  const auto source = open_npy_rows(directory / "a.npy");
  EXPECT_EQ(source->rows(), 0u);
  EXPECT_EQ(source->dim(), 5u);
  Matrix<float> none(0, 5);
  source->read(0, none);
}

TEST(Npy, WhatIsWrittenIsReadBack) {
  const TemporaryDirectory directory;
  write_npy(directory / "a.npy", MatrixView<const float>(six.data(), 3, 2));
  expect_six(*open_npy_rows(directory / "a.npy"));
  const std::string bytes = bytes_of(directory / "a.npy");
  EXPECT_EQ(bytes.size(), 128u + 24u) << "the values begin on a multiple of 64 bytes";
  EXPECT_EQ(bytes[127], '\n');
  const std::vector<std::int32_t> ids = {1, -1, 2147483647, -2147483647 - 1};
  write_npy(directory / "i.npy", MatrixView<const std::int32_t>(ids.data(), 2, 2));
  EXPECT_EQ(read_npy_int32(directory / "i.npy"), ids);
  EXPECT_EQ(directory.files(), 2u);
}

TEST(NpyInt32, ReadsOneOrTwoDimensionsOfEitherWidth) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "a.npy";
  const std::vector<std::int32_t> narrow = {3, -1, 2147483647};
  std::vector<std::int64_t> wide(narrow.begin(), narrow.end());
  put(path, npy(1, dict("<i4", "(3,)"), raw(narrow.data(), 3)));
  EXPECT_EQ(read_npy_int32(path), narrow);
  put(path, npy(1, dict("<i8", "(3, 1)"), raw(wide.data(), 3)));
  EXPECT_EQ(read_npy_int32(path), narrow);
  put(path, npy(1, dict("<i8", "(0,)"), ""));
  EXPECT_TRUE(read_npy_int32(path).empty());
  wide[1] = 2147483648;
  put(path, npy(1, dict("<i8", "(3,)"), raw(wide.data(), 3)));
  EXPECT_THAT(error_of([&] { read_npy_int32(path); }), AllOf(HasSubstr("element 1"), HasSubstr("2147483648")));
  put(path, npy(1, dict("<f4", "(3,)"), raw(narrow.data(), 3)));
  EXPECT_THAT(error_of([&] { read_npy_int32(path); }), HasSubstr("float32"));
}

TEST(NpyInt32, LongWideArraysAreWhole) {
  const TemporaryDirectory directory;
  std::vector<std::int64_t> wide(200'001);
  for (std::size_t i = 0; i < wide.size(); ++i) wide[i] = static_cast<std::int64_t>(i * 7);
  put(directory / "a.npy", npy(1, dict("<i8", "(200001,)"), raw(wide.data(), wide.size())));
  const auto values = read_npy_int32(directory / "a.npy");
  ASSERT_EQ(values.size(), wide.size());
  for (std::size_t i = 0; i < wide.size(); ++i) ASSERT_EQ(values[i], wide[i]);
}

}  // namespace
}  // namespace lowshot
