// Stored tables as they lie in their files: raw and npy, sizes that contradict each other, places beyond 4 GiB.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "lowshot/error.h"
#include "lowshot/io.h"
#include "oracle/files.h"

namespace lowshot {
namespace {

using fixtures::TemporaryDirectory;

// 3 rows x 2: repeats, -1, ids that no graph could have, NaN.
const std::vector<std::int32_t> ids = {5, 5, -1, 2, -7, 1000000};
const std::vector<float> similarities = {1.5f, 2, -INFINITY, 0, NAN, -1};

KnnFiles put_table(const TemporaryDirectory& directory, TableFormat format) {
  const KnnFiles files = knn_file_names(directory / "t", 2, format);
  if (format == TableFormat::npy) {
    write_npy(files.ids, MatrixView<const std::int32_t>(ids.data(), 3, 2));
    write_npy(files.similarities, MatrixView<const float>(similarities.data(), 3, 2));
  } else {
    fixtures::put(files.ids, fixtures::raw(ids.data(), ids.size()));
    fixtures::put(files.similarities, fixtures::raw(similarities.data(), similarities.size()));
  }
  return files;
}

TEST(StoredKnn, HandsOverWhatIsThere) {
  for (const TableFormat format : {TableFormat::raw, TableFormat::npy}) {
    const TemporaryDirectory directory;
    const StoredKnn table(put_table(directory, format));
    ASSERT_EQ(table.rows(), 3u);
    ASSERT_EQ(table.k(), 2u);
    Matrix<std::int32_t> i(2, 2);
    Matrix<float> s(2, 2);
    table.read(1, i, s);
    EXPECT_THAT(std::vector<std::int32_t>(i.data(), i.data() + 4), testing::ElementsAre(-1, 2, -7, 1000000));
    EXPECT_EQ(s(0, 0), -INFINITY);
    EXPECT_TRUE(std::isnan(s(1, 0)));
    EXPECT_EQ(s(1, 1), -1);
    EXPECT_THROW(table.read(2, i, s), Error);
  }
}

TEST(StoredKnn, EmptyTable) {
  const TemporaryDirectory directory;
  const KnnFiles files = knn_file_names(directory / "t", 4, TableFormat::raw);
  fixtures::put(files.ids, "");
  fixtures::put(files.similarities, "");
  EXPECT_EQ(StoredKnn(files).rows(), 0u);
}

TEST(StoredKnn, SizesThatContradict) {
  for (const TableFormat format : {TableFormat::raw, TableFormat::npy}) {
    const TemporaryDirectory directory;
    const KnnFiles files = put_table(directory, format);
    const std::string bytes = fixtures::bytes_of(files.similarities);
    for (const std::size_t size : {bytes.size() - 1, bytes.size() - 8, bytes.size() - 4}) {
      fixtures::put(files.similarities, bytes.substr(0, size));
      EXPECT_THROW(StoredKnn{files}, Error) << size;
    }
  }
  const TemporaryDirectory directory;
  const KnnFiles files = put_table(directory, TableFormat::npy);
  KnnFiles swapped{files.similarities, files.ids, 2};
  EXPECT_THROW(StoredKnn{swapped}, Error);  // floats where ids belong
  KnnFiles wider = files;
  wider.stored_k = 3;
  EXPECT_THROW(StoredKnn{wider}, Error);
}

TEST(StoredKnn, BeyondFourGibibytes) {
  constexpr std::uint64_t rows = (std::uint64_t{5} << 30) / 128, k = 32, far = rows - 2;
  const TemporaryDirectory directory;
  const KnnFiles files = knn_file_names(directory / "t", k, TableFormat::raw);
  if (!fixtures::make_sparse(files.ids, rows * k * 4) || !fixtures::make_sparse(files.similarities, rows * k * 4))
    GTEST_SKIP() << "this file system has no sparse files";
  fixtures::put_at(files.ids, (far * k + 3) * 4, fixtures::raw(std::int32_t{77}));
  fixtures::put_at(files.similarities, (far * k + 3) * 4, fixtures::raw(0.25f));
  const StoredKnn table(files);
  ASSERT_EQ(table.rows(), rows);
  Matrix<std::int32_t> i(1, k);
  Matrix<float> s(1, k);
  table.read(far, i, s);
  EXPECT_EQ(i(0, 3), 77);
  EXPECT_EQ(s(0, 3), 0.25f);
  EXPECT_EQ(i(0, 2), 0);
}

}  // namespace
}  // namespace lowshot
