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
using fixtures::put_at;
using fixtures::raw;
using fixtures::TemporaryDirectory;
using oracle::error_of;
using testing::AllOf;
using testing::HasSubstr;
using testing::StartsWith;

constexpr float infinity = std::numeric_limits<float>::infinity();

struct Stored {
  std::vector<std::int32_t> ids;
  std::vector<float> similarities;
};

KnnFiles put_table(const fs::path& prefix, std::uint32_t k, const Stored& stored) {
  const KnnFiles files = knn_file_names(prefix, k, TableFormat::raw);
  put(files.ids, raw(stored.ids.data(), stored.ids.size()));
  put(files.similarities, raw(stored.similarities.data(), stored.similarities.size()));
  return files;
}

TEST(KnnFiles, HaveTheNamesOfTheOriginal) {
  const KnnFiles files = knn_file_names("dir/ndis1000", 32, TableFormat::raw);
  EXPECT_EQ(files.ids, "dir/ndis1000_k32_I_11.int32");
  EXPECT_EQ(files.similarities, "dir/ndis1000_k32_D_11.float32");
  EXPECT_EQ(knn_file_names("p", 16, TableFormat::raw).ids, "p_k16_I_11.int16") << "the number is K, not a width";
  EXPECT_EQ(knn_file_names("p", 16, TableFormat::npy).ids, "p_k16_I_11.npy");
  EXPECT_EQ(knn_file_names("p", 16, TableFormat::npy).similarities, "p_k16_D_11.npy");
}

TEST(KnnFiles, StoredKIsTheNextPowerOfTwo) {
  const std::vector<std::pair<std::uint32_t, std::uint32_t>> cases = {
      {0, 1}, {1, 1}, {2, 2}, {3, 4}, {30, 32}, {32, 32}, {33, 64}, {1024, 1024}, {1025, 2048}};
  for (const auto& [k, stored] : cases) EXPECT_EQ(stored_k(k), stored) << k;
}

TEST(KnnFiles, TheSmallestTableThatIsLargeEnoughIsFound) {
  const TemporaryDirectory directory;
  const fs::path prefix = directory / "ndis3";
  EXPECT_FALSE(find_knn_files(prefix, 1));
  EXPECT_FALSE(find_knn_files(directory / "absent/ndis3", 1));
  const auto touch = [&](std::uint32_t k, TableFormat format) {
    put(knn_file_names(prefix, k, format).ids, "");
    put(knn_file_names(prefix, k, format).similarities, "");
  };
  touch(16, TableFormat::raw);
  touch(64, TableFormat::npy);
  touch(128, TableFormat::raw);
  touch(128, TableFormat::npy);
  for (const char* other :
       {"ndis3_k32_I_11.int16", "ndis3_k_I_11.int", "ndis3_k48x_I_11.int48", "ndis33_k40_I_11.int40",
        "ndis3_k-40_I_11.int-40", "ndis3_k0_I_11.int0", "ndis3_k99999999999_I_11.int99999999999",
        "ndis3_k40_I_11.int40.tmp", "ndis3_k44_D_11.float44"}) {
    put(directory / other, "");
  }
  put(knn_file_names(prefix, 36, TableFormat::raw).ids, "");  // half a table
  EXPECT_EQ(find_knn_files(prefix, 1)->stored_k, 16u);
  EXPECT_EQ(find_knn_files(prefix, 16)->ids, knn_file_names(prefix, 16, TableFormat::raw).ids);
  EXPECT_EQ(find_knn_files(prefix, 17)->ids, knn_file_names(prefix, 64, TableFormat::npy).ids);
  EXPECT_EQ(find_knn_files(prefix, 65)->ids, knn_file_names(prefix, 128, TableFormat::raw).ids) << "raw before npy";
  EXPECT_FALSE(find_knn_files(prefix, 129));
}

TEST(KnnFiles, APublishedTableIsReadAsEdges) {
  const TemporaryDirectory directory;
  // Self absent, absent twice, an id twice, unsorted, equal and slightly above 1.
  const KnnFiles files = put_table(directory / "p", 4,
                                   {{1, 2, 1, 0, /**/ -1, 2, -1, 0, /**/ 2, 1, 0, 1},
                                    {0.5f, 1.0000002f, 0.75f, 9, /**/ 3, 0.25f, -infinity, 0.5f, /**/ 1, 1, 1, 0.5f}});
  const KnnTable table = read_knn(files, 3, 3, 2);
  ASSERT_EQ(table.rows(), 3u);
  ASSERT_EQ(table.k(), 3u);
  const std::vector<NodeId> ids = {2, 1, no_node, 2, no_node, no_node, 0, 1, 2};
  const std::vector<float> similarities = {1.0000002f, 0.75f, -infinity, 0.25f, -infinity, -infinity, 1, 1, 1};
  for (std::size_t i = 0; i < 9; ++i) {
    EXPECT_EQ(table.ids.data()[i], ids[i]) << i;
    EXPECT_EQ(table.similarities.data()[i], similarities[i]) << i;
  }
  const KnnTable whole = read_knn(files, 3, 4);
  EXPECT_EQ(whole.ids(0, 0), 0u) << "with all columns";
  EXPECT_EQ(whole.ids(1, 0), 0u);
  EXPECT_EQ(read_knn(files, 3, 0).k(), 0u);
}

TEST(KnnFiles, IdsOutOfRangeAreRefusedWithTheirRow) {
  const TemporaryDirectory directory;
  for (const std::int32_t wrong : {-2, 3, INT32_MIN, INT32_MAX}) {
    Stored stored{{0, 1, 2, 0, 1, 2}, {1, 1, 1, 1, 1, 1}};
    stored.ids[3] = wrong;
    const KnnFiles files = put_table(directory / "p", 2, stored);
    EXPECT_THAT(error_of([&] { read_knn(files, 3, 2); }),
                AllOf(StartsWith("input: "), HasSubstr("row 1 holds the neighbour id " + std::to_string(wrong)),
                      HasSubstr(files.ids.string())));
    EXPECT_NO_THROW(read_knn(files, 3, 1)) << "the column is not used";
  }
}

TEST(KnnFiles, NeighboursMayBeOtherRows) {
  const TemporaryDirectory directory;
  const KnnFiles files = put_table(directory / "p", 2, Stored{{5, 1, 2, 7}, {1, 1, 1, 1}});
  EXPECT_EQ(read_knn(files, 2, 2, 1, 8).ids(1, 1), 7u);
  EXPECT_THAT(error_of([&] { read_knn(files, 2, 2, 1, 7); }),
              HasSubstr("row 1 holds the neighbour id 7, expected -1 to 6"));
}

TEST(KnnFiles, ATableOfAnotherSizeIsRefused) {
  const TemporaryDirectory directory;
  const Stored stored{{0, 1, 2, 0, 1, 2}, {1, 1, 1, 1, 1, 1}};
  const KnnFiles files = put_table(directory / "p", 2, stored);
  for (const std::uint64_t rows : {0, 2, 4}) {
    EXPECT_THAT(error_of([&] { read_knn(files, rows, 2); }),
                AllOf(StartsWith("input: "), HasSubstr(files.ids.string()), HasSubstr("has 24")));
  }
  EXPECT_THAT(error_of([&] { read_knn(files, max_nodes + 1, 2); }), StartsWith("input: "));
  EXPECT_THAT(error_of([&] { read_knn(files, 3, 3); }), HasSubstr("3 neighbours are wanted and 2 are stored"));
  for (const std::string& bytes :
       {raw(stored.similarities.data(), 5), raw(stored.similarities.data(), 6) + "x", std::string()}) {
    put(files.similarities, bytes);
    EXPECT_THAT(error_of([&] { read_knn(files, 3, 2); }),
                AllOf(StartsWith("input: "), HasSubstr(files.similarities.string())));
  }
  fs::remove(files.similarities);
  EXPECT_THAT(error_of([&] { read_knn(files, 3, 2); }), HasSubstr("No such file"));
}

KnnTable small_table() {
  KnnTable table{Matrix<NodeId>(3, 3), Matrix<float>(3, 3)};
  const std::vector<NodeId> ids = {0, 1, 2, 1, no_node, no_node, 2, 0, 1};
  const std::vector<float> similarities = {1, 0.5f, -0.5f, 1, -infinity, -infinity, 1, 0.25f, 0.25f};
  std::copy(ids.begin(), ids.end(), table.ids.data());
  std::copy(similarities.begin(), similarities.end(), table.similarities.data());
  return table;
}

TEST(KnnFiles, WhatIsWrittenIsReadBack) {
  const TemporaryDirectory directory;
  const KnnTable table = small_table();
  for (const TableFormat format : {TableFormat::raw, TableFormat::npy}) {
    const KnnFiles files = knn_file_names(directory / "p", 4, format);
    write_knn(files, table);
    const KnnTable back = read_knn(files, 3, 3);
    for (std::size_t i = 0; i < 9; ++i) {
      EXPECT_EQ(back.ids.data()[i], table.ids.data()[i]);
      EXPECT_EQ(back.similarities.data()[i], table.similarities.data()[i]);
    }
    const KnnTable widened = read_knn(files, 3, 4);
    EXPECT_EQ(widened.ids(0, 3), no_node);
    EXPECT_EQ(widened.similarities(0, 3), -infinity);
  }
  EXPECT_EQ(directory.files(), 4u);
  const std::vector<std::int32_t> expected = {0, 1, 2, -1, 1, -1, -1, -1, 2, 0, 1, -1};
  EXPECT_EQ(bytes_of(directory / "p_k4_I_11.int4"), raw(expected.data(), 12));
  EXPECT_THAT(error_of([&] { write_knn(knn_file_names(directory / "p", 2, TableFormat::raw), table); }),
              StartsWith("usage: "));
}

TEST(KnnFiles, NpyTwinsOfAnotherShapeOrTypeAreRefused) {
  const TemporaryDirectory directory;
  const KnnFiles files = knn_file_names(directory / "p", 4, TableFormat::npy);
  write_knn(files, small_table());
  EXPECT_THAT(error_of([&] { read_knn(files, 4, 3); }), HasSubstr("4 x 4 is expected and the file holds 3 x 4"));
  const KnnFiles swapped{files.similarities, files.ids, 4};
  EXPECT_THAT(error_of([&] { read_knn(swapped, 3, 3); }), HasSubstr("int32"));
  put(files.ids, bytes_of(files.ids).substr(0, 150));
  EXPECT_THAT(error_of([&] { read_knn(files, 3, 3); }), AllOf(StartsWith("input: "), HasSubstr("truncated")));
}

TEST(KnnFiles, AFailedWriteLeavesNoHalfTable) {
  const TemporaryDirectory directory;
  KnnFiles files = knn_file_names(directory / "p", 4, TableFormat::raw);
  fs::create_directory(files.similarities);
  EXPECT_THAT(error_of([&] { write_knn(files, small_table()); }), StartsWith("resources: "));
  fs::remove(files.similarities);
  EXPECT_EQ(directory.files(), 0u);
}

TEST(KnnFiles, ATableOfNoRows) {
  const TemporaryDirectory directory;
  const KnnFiles files = knn_file_names(directory / "p", 4, TableFormat::raw);
  write_knn(files, KnnTable{Matrix<NodeId>(0, 3), Matrix<float>(0, 3)});
  EXPECT_EQ(read_knn(files, 0, 3).rows(), 0u);
}

TEST(KnnFiles, LongRowsAreReadInPartWithTheSameResult) {
  const TemporaryDirectory directory;
  for (const std::uint32_t stored : {4095u, 4097u, 4098u, 4099u, 4100u, 9000u}) {
    Stored table{std::vector<std::int32_t>(3 * stored, 1), std::vector<float>(3 * stored, 0.125f)};
    for (std::int32_t i = 0; i < 3; ++i) {
      table.ids[static_cast<std::size_t>(i) * stored + 1] = (i + 2) % 3;
      table.similarities[static_cast<std::size_t>(i) * stored + 1] = 0.5f + static_cast<float>(i);
    }
    const KnnTable read = read_knn(put_table(directory / "p", stored, table), 3, 2);
    for (std::size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(read.ids(i, 0), (i + 2) % 3) << stored;
      EXPECT_EQ(read.similarities(i, 0), 0.5f + static_cast<float>(i)) << stored;
      EXPECT_EQ(read.ids(i, 1), (i + 2) % 3 == 1 ? no_node : 1u) << stored;
    }
  }
}

TEST(LargeFiles, KnnTableBeyondFourGibibytes) {
  const TemporaryDirectory directory;
  constexpr std::uint32_t k = 1 << 16;  // long rows: the columns not wanted are not read, which keeps this test quick
  constexpr std::uint64_t rows = (std::uint64_t{1} << 32) / (4 * k) + 4096;  // 5 GiB each
  const KnnFiles files = knn_file_names(directory / "p", k, TableFormat::raw);
  if (!fixtures::make_sparse(files.ids, rows * k * 4) || !fixtures::make_sparse(files.similarities, rows * k * 4)) {
    GTEST_SKIP() << "the file system has no sparse files";
  }
  const std::vector<std::int32_t> ids = {static_cast<std::int32_t>(rows - 1), 7};
  const std::vector<float> similarities = {0.5f, 0.75f};
  put_at(files.ids, (rows - 1) * k * 4, raw(ids.data(), 2));
  put_at(files.similarities, (rows - 1) * k * 4, raw(similarities.data(), 2));
  const KnnTable table = read_knn(files, rows, 2, 2);
  EXPECT_EQ(table.ids(rows - 1, 0), 7u);
  EXPECT_EQ(table.ids(rows - 1, 1), rows - 1);
  EXPECT_EQ(table.similarities(rows - 1, 0), 0.75f);
  EXPECT_EQ(table.ids(rows - 2, 0), 0u) << "a hole in the file: id 0 twice";
  EXPECT_EQ(table.ids(rows - 2, 1), no_node);
  EXPECT_EQ(table.ids(4095, 0), 0u) << "where a 32-bit offset would have looked";
}

TEST(KnnFiles, TheStoredGraphOfTheDataSet) {
  LOWSHOT_FULL_DATA_OR_SKIP(data);
  const auto files = find_knn_files(data / "expected/ndis60000", 30);
  ASSERT_TRUE(files);
  EXPECT_EQ(files->stored_k, 32u);
  const KnnTable table = read_knn(*files, 60'000, 30, 2);
  std::size_t self_first = 0;
  for (std::size_t i = 0; i < table.rows(); ++i) self_first += table.ids(i, 0) == i ? 1 : 0;
  EXPECT_GT(self_first, 59'000u);
  EXPECT_THAT(error_of([&] { read_knn(*files, 59'999, 30); }), HasSubstr("59999 x 32"));
}

}  // namespace
}  // namespace lowshot
