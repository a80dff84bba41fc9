#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hdf5.h>

#include <algorithm>
#include <vector>

#include "core/half.h"
#include "lowshot/io.h"
#include "oracle/files.h"
#include "oracle/views.h"

namespace lowshot {
namespace {

using fixtures::bytes_of;
using fixtures::put;
using fixtures::TemporaryDirectory;
using oracle::error_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

/// IEEE binary16 as h5py describes it to HDF5.
hid_t half_type() {
  const hid_t type = H5Tcopy(H5T_IEEE_F32LE);
  H5Tset_fields(type, 15, 10, 5, 0, 10);
  H5Tset_size(type, 2);
  H5Tset_ebias(type, 15);
  return type;
}

/// An HDF5 file under construction, through the C library alone.
class Maker {
 public:
  explicit Maker(const fs::path& path) : file_(H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT)) {}
  ~Maker() { H5Fclose(file_); }
  Maker(const Maker&) = delete;
  Maker& operator=(const Maker&) = delete;

  hid_t file() const { return file_; }

  struct Storage {
    std::vector<hsize_t> chunk = {};  ///< empty: contiguous
    bool shuffle = false, gzip = false, fletcher32 = false, compact = false, nbit = false;
  };

  /// `values` may be null: the dataset is made and nothing written.
  void dataset(const char* name, hid_t type, const std::vector<hsize_t>& shape, const void* values,
               const Storage& storage) {
    const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
    if (!storage.chunk.empty()) H5Pset_chunk(creation, static_cast<int>(shape.size()), storage.chunk.data());
    if (storage.compact) H5Pset_layout(creation, H5D_COMPACT);
    if (storage.shuffle) H5Pset_shuffle(creation);
    if (storage.gzip) H5Pset_deflate(creation, 4);
    if (storage.fletcher32) H5Pset_fletcher32(creation);
    if (storage.nbit) H5Pset_nbit(creation);
    const hid_t space =
        shape.empty() ? H5Screate(H5S_SCALAR) : H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr);
    const hid_t set = H5Dcreate2(file_, name, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
    ASSERT_GE(set, 0) << name;
    if (values != nullptr) H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    H5Dclose(set);
    H5Sclose(space);
    H5Pclose(creation);
  }
  void dataset(const char* name, hid_t type, const std::vector<hsize_t>& shape, const void* values) {
    dataset(name, type, shape, values, Storage());
  }
  void count(std::int32_t value) { dataset("count", H5T_STD_I32LE, {1}, &value); }
  void labels(const std::vector<std::int32_t>& values) {
    dataset("all_labels", H5T_STD_I32LE, {values.size()}, values.data());
  }
  void floats(const std::vector<hsize_t>& shape, const std::vector<float>& values) {
    dataset("all_feats", H5T_IEEE_F32LE, shape, values.data());
  }

 private:
  hid_t file_;
};

std::vector<float> counting(std::size_t count) {
  std::vector<float> values(count);
  // Exact as float16, with some repetition for gzip.
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>((i * 7) % 2039) - 1000;
  return values;
}

std::vector<Half> halves_of(const std::vector<float>& values) {
  std::vector<Half> halves(values.size());
  convert(values.data(), halves.data(), values.size());
  return halves;
}

TEST(Hdf5Rows, ReadsEveryLayoutAndTypeInEveryBlock) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "a.hdf5";
  constexpr std::size_t rows = 37, dim = 11;
  const std::vector<float> values = counting(rows * dim);
  const std::vector<Half> halves = halves_of(values);
  std::vector<Maker::Storage> storages(2);
  storages[1].compact = true;
  // Chunks of whole rows, of parts of rows, larger than a block to come, the whole set.
  for (const std::vector<hsize_t>& chunk : {std::vector<hsize_t>{10, 11}, {4, 3}, {1, 11}, {37, 11}, {37, 1}}) {
    for (int filters = 0; filters < 8; ++filters) {
      storages.push_back({chunk, (filters & 1) != 0, (filters & 2) != 0, (filters & 4) != 0});
    }
  }
  const hid_t half = half_type();
  for (const Maker::Storage& storage : storages) {
    for (const bool is_half : {false, true}) {
      {
        Maker maker(path);
        maker.dataset("all_feats", is_half ? half : H5T_IEEE_F32LE, {rows, dim},
                      is_half ? static_cast<const void*>(halves.data()) : values.data(), storage);
      }
      const auto source = open_hdf5_rows(path);
      ASSERT_EQ(source->rows(), rows) << "no count: all rows";
      ASSERT_EQ(source->dim(), dim);
      for (const std::size_t step : {1, 7, 10, 37}) {
        for (std::size_t begin = 0; begin < rows; begin += step) {
          Matrix<float> block(std::min(step, rows - begin), dim);
          source->read(begin, block);
          ASSERT_TRUE(std::equal(block.data(), block.data() + block.size(), values.data() + begin * dim)) << begin;
        }
      }
    }
  }
  H5Tclose(half);
}

TEST(Hdf5Rows, LargeHalvesAreConvertedBlockByBlock) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "a.hdf5";
  constexpr std::size_t rows = 10'007, dim = 450;  // more values than one block of the reader
  const std::vector<float> values = counting(rows * dim);
  const std::vector<Half> halves = halves_of(values);
  {
    Maker maker(path);
    const hid_t half = half_type();
    maker.dataset("all_feats", half, {rows, dim}, halves.data(), {{1000, dim}, true, true});
    H5Tclose(half);
  }
  Matrix<float> all(rows, dim);
  open_hdf5_rows(path)->read(0, all);
  EXPECT_TRUE(std::equal(values.begin(), values.end(), all.data()));
}

TEST(Hdf5Rows, CountLimitsRowsAndLabels) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "a.hdf5";
  for (const std::int32_t count : {0, 1, 5, 6}) {
    {
      Maker maker(path);
      maker.floats({6, 2}, counting(12));
      maker.labels({5, 4, 3, 2, 1, 0});
      maker.count(count);
    }
    EXPECT_EQ(open_hdf5_rows(path)->rows(), static_cast<std::uint64_t>(count));
    EXPECT_EQ(read_hdf5_labels(path).size(), static_cast<std::size_t>(count));
  }
  for (const std::int32_t count : {7, -1, INT32_MIN, INT32_MAX}) {
    {
      Maker maker(path);
      maker.floats({6, 2}, counting(12));
      maker.labels({5, 4, 3, 2, 1, 0});
      maker.count(count);
    }
    const auto message = AllOf(StartsWith("input: "), HasSubstr("count is " + std::to_string(count)),
                               HasSubstr("6 rows"), HasSubstr(path.string() + ":count"));
    EXPECT_THAT(error_of([&] { open_hdf5_rows(path); }), message);
    EXPECT_THAT(error_of([&] { read_hdf5_labels(path); }), message);
  }
}

TEST(Hdf5Rows, TheAllocationBeyondCountMayBeEmpty) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "a.hdf5";
  // Rows 0 to 9 written, a million allocated and never touched: only the first chunk is in the file.
  {
    Maker maker(path);
    maker.dataset("all_feats", H5T_IEEE_F32LE, {1'000'000, 64}, nullptr, {{10, 64}, true, true});
    const hid_t set = H5Dopen2(maker.file(), "all_feats", H5P_DEFAULT), space = H5Dget_space(set);
    const hsize_t start[2] = {0, 0}, size[2] = {10, 64};
    const hid_t memory = H5Screate_simple(2, size, nullptr);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, start, nullptr, size, nullptr);
    const auto values = counting(640);
    H5Dwrite(set, H5T_IEEE_F32LE, memory, space, H5P_DEFAULT, values.data());
    H5Sclose(memory);
    H5Sclose(space);
    H5Dclose(set);
    maker.count(10);
  }
  EXPECT_EQ(read_rows(*open_hdf5_rows(path), 0, 10)(9, 63), counting(640).back());
}

TEST(Hdf5Rows, RowsThatWereNeverWrittenAreNotBelieved) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "a.hdf5";
  const std::vector<hsize_t> huge = {hsize_t{1} << 40, 512};
  {
    Maker maker(path);
    maker.dataset("all_feats", H5T_IEEE_F32LE, huge, nullptr, {{1000, 512}, true, true});
    maker.dataset("all_labels", H5T_STD_I32LE, {hsize_t{1} << 40}, nullptr, {{1000}, true, true});
  }
  EXPECT_THAT(error_of([&] { open_hdf5_rows(path); }), AllOf(StartsWith("input: "), HasSubstr("0 bytes are stored")));
  EXPECT_THAT(error_of([&] { read_hdf5_labels(path); }), AllOf(StartsWith("input: "), HasSubstr("0 bytes are stored")));
}

TEST(Hdf5Labels, OfAnyIntegerWidthThatFits) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "a.hdf5";
  const std::vector<std::int64_t> wide = {3, -1, 2147483647};
  {
    Maker maker(path);
    maker.dataset("all_labels", H5T_STD_I64LE, {3}, wide.data());
  }
  EXPECT_THAT(read_hdf5_labels(path), ElementsAre(3, -1, 2147483647));
  const std::vector<std::uint8_t> narrow = {0, 99, 255};
  {
    Maker maker(path);
    maker.dataset("all_labels", H5T_STD_U8LE, {3}, narrow.data(), {{2}, true, true});
  }
  EXPECT_THAT(read_hdf5_labels(path), ElementsAre(0, 99, 255));
  const std::vector<std::int64_t> beyond = {3, 2147483648};
  {
    Maker maker(path);
    maker.dataset("all_labels", H5T_STD_I64LE, {2}, beyond.data());
  }
  EXPECT_THAT(error_of([&] { read_hdf5_labels(path); }), AllOf(HasSubstr("2147483648"), HasSubstr("row 1")));
}

TEST(Hdf5Rows, ACountMayBeAScalar) {
  const TemporaryDirectory directory;
  const std::int64_t count = 2;
  {
    Maker maker(directory / "a.hdf5");
    maker.floats({3, 2}, counting(6));
    maker.dataset("count", H5T_STD_I64LE, {}, &count);
  }
  EXPECT_EQ(open_hdf5_rows(directory / "a.hdf5")->rows(), 2u);
}

TEST(Hdf5Rows, MissingAndUnfitDatasetsAreNamed) {
  const TemporaryDirectory directory;
  const fs::path path = directory / "a.hdf5";
  const auto refused = [&](auto make, const char* dataset, const char* expected) {
    {
      Maker maker(path);
      make(maker);
    }
    const auto message =
        AllOf(StartsWith("input: "), HasSubstr(dataset), HasSubstr(expected), HasSubstr(path.string()));
    const bool labels = std::string(dataset) == "all_labels";
    EXPECT_THAT(error_of([&] { labels ? void(read_hdf5_labels(path)) : void(open_hdf5_rows(path)); }), message);
  };
  const auto values = counting(64);
  refused([](Maker&) {}, "all_feats", "missing");
  refused([](Maker&) {}, "all_labels", "missing");
  refused([&](Maker& m) { m.floats({64}, values); }, "all_feats", "expected 2 dimension(s) and found 1");
  refused([&](Maker& m) { m.floats({4, 4, 4}, values); }, "all_feats", "expected 2 dimension(s) and found 3");
  refused([&](Maker& m) { m.floats({}, values); }, "all_feats", "expected 2 dimension(s) and found 0");
  refused(
      [&](Maker& m) {
        m.dataset("all_labels", H5T_STD_I32LE, {8, 8}, values.data());
      },
      "all_labels", "expected 1 dimension(s) and found 2");
  refused([&](Maker& m) { m.dataset("all_feats", H5T_STD_I32LE, {8, 8}, values.data()); }, "all_feats", "float");
  refused([&](Maker& m) { m.dataset("all_feats", H5T_IEEE_F64LE, {4, 8}, values.data()); }, "all_feats", "8-byte");
  refused([&](Maker& m) { m.dataset("all_feats", H5T_IEEE_F32BE, {8, 8}, values.data()); }, "all_feats", "big-endian");
  refused([&](Maker& m) { m.dataset("all_labels", H5T_IEEE_F32LE, {8}, values.data()); }, "all_labels", "integers");
  refused([&](Maker& m) { m.dataset("all_feats", H5T_IEEE_F32LE, {8, 0}, nullptr); }, "all_feats", "dimension 0");
  refused([&](Maker& m) { H5Gclose(H5Gcreate2(m.file(), "all_feats", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)); },
          "all_feats", "cannot open it as a dataset");
  refused(
      [&](Maker& m) {
        m.dataset("all_feats", H5T_IEEE_F32LE, {8, 8}, values.data(), {{8, 8}, false, false, false, false, true});
      },
      "all_feats", "nbit");
  refused([&](Maker& m) { H5Lcreate_external("other.hdf5", "x", m.file(), "all_feats", H5P_DEFAULT, H5P_DEFAULT); },
          "all_feats", "a link");
  refused(
      [&](Maker& m) {
        m.floats({8, 8}, values);
        m.dataset("count", H5T_IEEE_F32LE, {1}, values.data());
      },
      "count", "integers");
  refused(
      [&](Maker& m) {
        m.floats({8, 8}, values);
        m.dataset("count", H5T_STD_I32LE, {0}, nullptr);
      },
      "count", "none");
}

TEST(Hdf5Rows, ValuesKeptInOtherFilesAreRefused) {
  const TemporaryDirectory directory;
  {
    Maker maker(directory / "a.hdf5");
    const hsize_t shape[2] = {8, 8};
    const hid_t space = H5Screate_simple(2, shape, nullptr), creation = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(creation, "/etc/hostname", 0, H5F_UNLIMITED);
    H5Dclose(H5Dcreate2(maker.file(), "all_feats", H5T_IEEE_F32LE, space, H5P_DEFAULT, creation, H5P_DEFAULT));
    H5Pclose(creation);
    H5Sclose(space);
  }
  EXPECT_THAT(error_of([&] { open_hdf5_rows(directory / "a.hdf5"); }), HasSubstr("other files"));
}

/// A small file with both datasets in filtered chunks and a count.
std::string small_file(const TemporaryDirectory& directory) {
  const fs::path path = directory / "whole.hdf5";
  {
    Maker maker(path);
    const auto halves = halves_of(counting(64 * 8));
    const std::vector<std::int32_t> labels(64, 3);
    const hid_t half = half_type();
    maker.dataset("all_feats", half, {64, 8}, halves.data(), {{16, 8}, true, true});
    H5Tclose(half);
    maker.dataset("all_labels", H5T_STD_I32LE, {64}, labels.data(), {{16}, true, true});
    maker.count(60);
  }
  return bytes_of(path);
}

/// Reads everything; true when that went well, false after an Error of kind input.
bool reads(const fs::path& path) {
  try {
    const auto source = open_hdf5_rows(path);
    EXPECT_LE(source->rows() * source->dim(), 64u * 8 * 300);
    Matrix<float> rows(source->rows(), source->dim());
    source->read(0, rows);
    read_hdf5_labels(path);
    return true;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::input) << error.what();
    return false;
  }
}

TEST(Hdf5Rows, TruncatedOrResizedFilesGiveASentence) {
  const TemporaryDirectory directory;
  const std::string whole = small_file(directory);
  const fs::path path = directory / "cut.hdf5";
  put(path, whole);
  EXPECT_TRUE(reads(path));
  for (std::size_t size = 0; size < whole.size(); size += size < 200 ? 1 : 61) {
    put(path, whole.substr(0, size));
    EXPECT_FALSE(reads(path)) << size;
  }
  put(path, whole + "x");
  EXPECT_THAT(error_of([&] { open_hdf5_rows(path); }), HasSubstr("the file has " + std::to_string(whole.size() + 1)));
  put(path, "CDF\x01 no HDF5 at all");
  EXPECT_THAT(error_of([&] { open_hdf5_rows(path); }), AllOf(HasSubstr("as HDF5"), HasSubstr(path.string())));
}

TEST(Hdf5Rows, DamagedChunksGiveASentence) {
  const TemporaryDirectory directory;
  const std::string whole = small_file(directory);
  const fs::path path = directory / "damaged.hdf5";
  // zlib streams of level 4 begin with 78 5e: those are the chunks.
  std::size_t damaged_chunks = 0;
  for (std::size_t at = whole.find("\x78\x5e"); at != std::string::npos; at = whole.find("\x78\x5e", at + 1)) {
    std::string damaged = whole;
    damaged.replace(at + 2, 6, "\xff\xff\xff\xff\xff\xff");
    put(path, damaged);
    if (!reads(path)) ++damaged_chunks;
  }
  EXPECT_EQ(damaged_chunks, 8u);
}

TEST(Hdf5Rows, NothingIsPrintedOnTheWay) {
  const TemporaryDirectory directory;
  put(directory / "a.hdf5", "no HDF5 at all");
  testing::internal::CaptureStderr();
  error_of([&] { open_hdf5_rows(directory / "a.hdf5"); });
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Hdf5Rows, TheFullDataSet) {
  LOWSHOT_FULL_DATA_OR_SKIP(data);
  const auto train = open_hdf5_rows(data / "features/train.hdf5");
  EXPECT_EQ(train->rows(), 50'000u);
  EXPECT_EQ(train->dim(), 512u);
  const Matrix<float> rows = read_rows(*train, 49'990, 50'000);
  for (std::size_t i = 0; i < rows.size(); ++i) ASSERT_GE(rows.data()[i], 0.0f) << "pooled activations";
  const auto labels = read_hdf5_labels(data / "features/val.hdf5");
  ASSERT_EQ(labels.size(), 10'000u);
  for (int c = 0; c < 100; ++c) EXPECT_EQ(std::count(labels.begin(), labels.end(), c), 100);
}

}  // namespace
}  // namespace lowshot
