#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

#include "lowshot/error.h"
#include "lowshot/io.h"
#include "oracle/files.h"

namespace lowshot {
namespace {

void write(const fs::path& path, bool half) {
  Matrix<float> rows(5, 3);
  for (std::size_t i = 0; i < rows.size(); ++i) rows.data()[i] = 0.1F * static_cast<float>(i) - 0.5F;
  Hdf5RowWriter writer(path, 5, 3, half);
  writer.write(3, rows.view().rows(3, 5));
  writer.write(0, rows.view().rows(0, 3));
  const std::vector<std::int32_t> labels{4, 0, 1, 1, 2};
  writer.commit(labels);
}

TEST(Hdf5RowWriter, IsReadAgain) {
  const fixtures::TemporaryDirectory folder;
  for (const bool half : {false, true}) {
    const fs::path path = folder / (half ? "half.hdf5" : "single.hdf5");
    write(path, half);
    const auto source = open_hdf5_rows(path);
    ASSERT_EQ(source->rows(), 5U);
    ASSERT_EQ(source->dim(), 3U);
    EXPECT_EQ(source->is_half(), half);
    Matrix<float> rows(5, 3);
    source->read(0, rows);
    for (std::size_t i = 0; i < rows.size(); ++i)
      EXPECT_NEAR(rows.data()[i], 0.1F * static_cast<float>(i) - 0.5F, half ? 5e-4 : 0);
    EXPECT_EQ(read_hdf5_labels(path), (std::vector<std::int32_t>{4, 0, 1, 1, 2}));
  }
}

TEST(Hdf5RowWriter, GivesTheSameBytesForTheSameRows) {
  const fixtures::TemporaryDirectory folder;
  write(folder / "a.hdf5", false);
  write(folder / "b.hdf5", false);
  EXPECT_EQ(fixtures::bytes_of(folder / "a.hdf5"), fixtures::bytes_of(folder / "b.hdf5"));
}

TEST(Hdf5RowWriter, LeavesNothingWithoutCommit) {
  const fixtures::TemporaryDirectory folder;
  { const Hdf5RowWriter writer(folder / "a.hdf5", 5, 3, false); }
  EXPECT_EQ(folder.files(), 0U);
  EXPECT_THROW(Hdf5RowWriter(folder / "absent/a.hdf5", 5, 3, false), Error);
}

}  // namespace
}  // namespace lowshot
