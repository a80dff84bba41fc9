#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

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
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

std::string counted(const std::vector<float>& values) {
  return raw(static_cast<std::uint64_t>(values.size())) + raw(values.data(), values.size());
}

struct Parts {
  std::vector<float> a = {1, 2, 3, 4, 5, 6}, b = {-1, -2}, mean = {0.5f, 0.25f, 0.125f}, eigenvalues = {9, 4, 1};
  std::uint8_t have_bias = 1, trained = 1;
  std::int32_t in = 3, out = 2;

  std::string linear() const { return raw(have_bias) + counted(a) + counted(b) + raw(in) + raw(out) + raw(trained); }
  /// As Faiss lays a PCAMatrix out; the older kinds lack a field or two.
  std::string pca(const std::string& kind = "Pcam") const {
    std::string bytes = kind + raw(0.0f);
    if (kind == "Pcam") bytes += raw(1e-5f);
    bytes += raw(std::uint8_t{1});
    if (kind != "PCAm") bytes += raw(std::int32_t{0});
    return bytes + counted(mean) + counted(eigenvalues) + counted(std::vector<float>(9, 7.0f)) + linear();
  }
};

TEST(Vt, ReadsAllThreeGenerationsOfPca) {
  const TemporaryDirectory directory;
  for (const char* kind : {"Pcam", "PcAm", "PCAm"}) {
    put(directory / "a.vt", Parts().pca(kind));
    const LinearMap map = read_vt(directory / "a.vt");
    ASSERT_EQ(map.in(), 3u);
    ASSERT_EQ(map.out(), 2u);
    EXPECT_EQ(map.a(0, 2), 3.0f);
    EXPECT_EQ(map.a(1, 0), 4.0f);
    EXPECT_THAT(map.b, ElementsAre(-1, -2));
    EXPECT_THAT(map.mean, ElementsAre(0.5f, 0.25f, 0.125f));
    EXPECT_THAT(map.eigenvalues, ElementsAre(9, 4, 1));
  }
}

TEST(Vt, ReadsALinearTransformWithAndWithoutOffset) {
  const TemporaryDirectory directory;
  Parts parts;
  put(directory / "a.vt", "LTra" + parts.linear());
  EXPECT_THAT(read_vt(directory / "a.vt").b, ElementsAre(-1, -2));
  parts.have_bias = 0;
  parts.b.clear();
  put(directory / "a.vt", "LTra" + parts.linear());
  const LinearMap map = read_vt(directory / "a.vt");
  EXPECT_THAT(map.b, ElementsAre(0, 0));
  EXPECT_EQ(map.a(1, 2), 6.0f);
  EXPECT_TRUE(map.mean.empty());
}

TEST(Vt, WhatIsWrittenIsReadBack) {
  const TemporaryDirectory directory;
  put(directory / "a.vt", Parts().pca());
  const LinearMap map = read_vt(directory / "a.vt");
  write_vt(directory / "b.vt", map);
  const LinearMap back = read_vt(directory / "b.vt");
  EXPECT_TRUE(std::equal(map.a.data(), map.a.data() + 6, back.a.data()));
  EXPECT_EQ(back.b, map.b);
  EXPECT_EQ(back.mean, map.mean);
  EXPECT_EQ(back.eigenvalues, map.eigenvalues);
  // Byte for byte the layout of Faiss, with PCAMat left empty.
  const Parts parts;
  EXPECT_EQ(bytes_of(directory / "b.vt"), "Pcam" + raw(0.0f) + raw(0.0f) + raw(std::uint8_t{1}) + raw(std::int32_t{0}) +
                                              counted(parts.mean) + counted(parts.eigenvalues) + counted({}) +
                                              parts.linear());
}

TEST(Vt, RefusesWhatDoesNotFitTogether) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "a.vt";
  const auto refused = [&](const std::string& bytes, const char* expected) {
    put(path, bytes);
    EXPECT_THAT(error_of([&] { read_vt(path); }),
                AllOf(StartsWith("input: "), HasSubstr(expected), HasSubstr(path.string())));
  };
  refused("IwFl" + Parts().linear(), "another kind of file");
  refused("", "the kind of transform");
  refused(Parts().pca() + "x", "1 bytes more");
  const auto changed = [&](auto change, const char* expected) {
    Parts parts;
    change(parts);
    refused(parts.pca(), expected);
  };
  changed([](Parts& p) { p.in = 0; }, "makes no sense");
  changed([](Parts& p) { p.out = -2; }, "makes no sense");
  changed([](Parts& p) { p.in = 4; }, "6 coefficients, expected 8");
  changed([](Parts& p) { p.in = p.out = 2147483647; }, "coefficients");
  changed([](Parts& p) { p.b.pop_back(); }, "offset b of 1 values");
  changed([](Parts& p) { p.mean.pop_back(); }, "mean of 2 values");
  changed([](Parts& p) { p.trained = 0; }, "not trained");
  changed([](Parts& p) { p.a[4] = std::nanf(""); }, "A holds nan at place 4");
  changed([](Parts& p) { p.b[1] = std::numeric_limits<float>::infinity(); }, "b holds inf at place 1");
  // A count that needs more than there is must not be believed.
  std::string bytes = Parts().pca();
  const std::uint64_t huge = std::uint64_t{1} << 62;
  bytes.replace(17, 8, raw(huge));
  refused(bytes, "4611686018427387904 values");
}

TEST(Vt, CutAnywhereOrDamagedAnywhereItGivesASentence) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "a.vt";
  const std::string whole = Parts().pca();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    put(path, whole.substr(0, size));
    EXPECT_THAT(error_of([&] { read_vt(path); }), StartsWith("input: ")) << size;
  }
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const int change : {1, 128, 255}) {
      std::string damaged = whole;
      damaged[at] = static_cast<char>(damaged[at] ^ change);
      put(path, damaged);
      try {
        const LinearMap map = read_vt(path);
        EXPECT_EQ(map.a.size(), 6u);
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), ErrorKind::input);
      }
    }
  }
}

TEST(Vt, TheStoredPcaGivesTheStoredRows) {
  LOWSHOT_FULL_DATA_OR_SKIP(data);
  const LinearMap map = read_vt(data / "expected/PCAR256.vt");
  ASSERT_EQ(map.in(), 512u);
  ASSERT_EQ(map.out(), 256u);
  const Matrix<float> rows = read_rows(*open_hdf5_rows(data / "features/f100m/block0.hdf5"), 0, 100);
  const auto expected = read_rows(*open_npy_rows(data / "expected/background_first_100_pca256.npy"), 0, 100);
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < 100; ++i) {
    for (std::size_t c = 0; c < 256; ++c) {
      double value = map.b[c];
      for (std::size_t j = 0; j < 512; ++j) value += static_cast<double>(map.a(c, j)) * rows(i, j);
      difference += (value - expected(i, c)) * (value - expected(i, c));
      size += value * value;
    }
  }
  EXPECT_LT(std::sqrt(difference / size), 1e-5);
}

}  // namespace
}  // namespace lowshot
