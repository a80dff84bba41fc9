#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>
#include <vector>

#include "io/output_file.h"
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

Matrix<float> counting(std::size_t rows, std::size_t cols) {
  Matrix<float> values(rows, cols);
  for (std::size_t i = 0; i < values.size(); ++i) values.data()[i] = static_cast<float>(i);
  return values;
}

TEST(WriteFile, AppearsWholeAndReplacesWhatWasThere) {
  const TemporaryDirectory directory;
  for (const std::string& content : {std::string("first"), std::string(), std::string(3'000'000, 'x')}) {
    write_file(directory / "a", content);
    EXPECT_EQ(bytes_of(directory / "a"), content);
    EXPECT_EQ(directory.files(), 1u);
  }
}

TEST(WriteFile, FollowsALinkInsteadOfReplacingIt) {
  const TemporaryDirectory directory;
  put(directory / "target", "old");
  fs::create_symlink(directory / "target", directory / "link");
  write_file(directory / "link", "new");
  EXPECT_TRUE(fs::is_symlink(directory / "link"));
  EXPECT_EQ(bytes_of(directory / "target"), "new");
}

TEST(WriteFile, SaysWhyItCannotWrite) {
  const TemporaryDirectory directory;
  EXPECT_THAT(error_of([&] { write_file(directory / "absent/a", "x"); }),
              AllOf(StartsWith("resources: "), HasSubstr("No such file or directory"), HasSubstr("absent/a")));
  EXPECT_THAT(error_of([&] { write_file(directory.path(), "x"); }), StartsWith("resources: "));
  EXPECT_THAT(error_of([&] { write_file(directory.path() / "", "x"); }), StartsWith("resources: "));
  EXPECT_THAT(error_of([&] { write_file("/dev/full", "x"); }),
              AllOf(StartsWith("resources: "), HasSubstr("not a regular file")));
  EXPECT_THAT(error_of([&] { write_file(directory / std::string(300, 'a'), "x"); }), StartsWith("resources: "));
  EXPECT_EQ(directory.files(), 0u);
}

TEST(WriteFile, ADirectoryWithoutWritePermissionIsNamed) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may write everywhere";
  const TemporaryDirectory directory;
  fs::permissions(directory.path(), fs::perms::owner_read | fs::perms::owner_exec);
  EXPECT_THAT(error_of([&] { write_file(directory / "a", "x"); }), HasSubstr("Permission denied"));
  fs::permissions(directory.path(), fs::perms::owner_all);
}

TEST(RowWriter, WritesRowsInAnyOrder) {
  const TemporaryDirectory directory;
  const Matrix<float> values = counting(7, 3);
  const auto view = values.view();
  for (const auto format : {RowWriter::Format::raw, RowWriter::Format::npy}) {
    const fs::path path = directory / (format == RowWriter::Format::raw ? "a.raw" : "a.npy");
    RowWriter writer(path, format, 7, 3);
    writer.write(4, view.rows(4, 7));
    writer.write(0, view.rows(0, 1));
    writer.write(1, view.rows(1, 4));
    EXPECT_FALSE(fs::exists(path)) << "nothing has the name before commit";
    RowWriter moved = std::move(writer);
    moved.commit();
    const auto source = open_rows(path, 3);
    ASSERT_EQ(source->rows(), 7u);
    const Matrix<float> back = [&] {
      Matrix<float> rows(7, 3);
      source->read(0, rows);
      return rows;
    }();
    for (std::size_t i = 0; i < 21; ++i) EXPECT_EQ(back.data()[i], values.data()[i]);
  }
  EXPECT_EQ(directory.files(), 2u);
  EXPECT_EQ(fs::file_size(directory / "a.raw"), 84u);
}

TEST(RowWriter, LeavesNothingWithoutCommit) {
  const TemporaryDirectory directory;
  put(directory / "a.raw", "old");
  {
    RowWriter writer(directory / "a.raw", RowWriter::Format::raw, 7, 3);
    writer.write(0, counting(7, 3));
  }
  EXPECT_EQ(bytes_of(directory / "a.raw"), "old");
  EXPECT_EQ(directory.files(), 1u);
}

TEST(RowWriter, ACommitWithMissingRowsIsABug) {
  const TemporaryDirectory directory;
  {
    RowWriter writer(directory / "a.raw", RowWriter::Format::raw, 7, 3);
    writer.write(0, counting(6, 3));
    EXPECT_THROW(writer.commit(), std::logic_error);
    EXPECT_THROW(writer.write(6, counting(2, 3)), std::logic_error);
    EXPECT_THROW(writer.write(6, counting(1, 4)), std::logic_error);
  }
  EXPECT_EQ(directory.files(), 0u);
}

TEST(RowWriter, NoRowsMakeAFileToo) {
  const TemporaryDirectory directory;
  RowWriter writer(directory / "a.npy", RowWriter::Format::npy, 0, 3);
  writer.commit();
  EXPECT_EQ(open_npy_rows(directory / "a.npy")->rows(), 0u);
}

TEST(RowWriter, TwoWritersOfOneFileDoNotDisturbEachOther) {
  const TemporaryDirectory directory;
  RowWriter first(directory / "a.raw", RowWriter::Format::raw, 1, 1);
  RowWriter second(directory / "a.raw", RowWriter::Format::raw, 2, 1);
  first.write(0, counting(1, 1));
  second.write(0, counting(2, 1));
  second.commit();
  first.commit();
  EXPECT_EQ(fs::file_size(directory / "a.raw"), 4u);
  EXPECT_EQ(directory.files(), 1u);
}

TEST(RowWriter, AFileThatCannotFitIsRefusedBeforeTheWork) {
  const TemporaryDirectory directory;
  EXPECT_THAT(error_of([&] { RowWriter(directory / "a.raw", RowWriter::Format::raw, std::uint64_t{1} << 52, 256); }),
              AllOf(StartsWith("resources: "), HasSubstr("a.raw")));
  EXPECT_THAT(error_of([&] { RowWriter(directory / "a.raw", RowWriter::Format::raw, UINT64_MAX, 256); }),
              AllOf(StartsWith("resources: "), HasSubstr("exceed any file")));
  EXPECT_EQ(directory.files(), 0u);
}

/// No file of this process may grow beyond a size, as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    const struct rlimit limit = {bytes, old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }

 private:
  struct rlimit old_ = {};
  void (*old_handler_)(int) = nullptr;
};

TEST(RowWriter, AWriteThatFailsLeavesTheOldFile) {
  const TemporaryDirectory directory;
  put(directory / "a", "old");
  {
    const FileSizeLimit limit(1000);
    EXPECT_THAT(error_of([&] { RowWriter(directory / "a", RowWriter::Format::npy, 1000, 3); }),
                AllOf(StartsWith("resources: "), HasSubstr("reserve 12128 bytes"), HasSubstr("ulimit")));
    EXPECT_THAT(error_of([&] {
                  io::OutputFile file(directory / "a");
                  file.write_at(0, std::string(2000, 'x').data(), 2000);
                }),
                StartsWith("resources: "));
    EXPECT_THAT(error_of([&] { write_npy(directory / "a", counting(100, 100)); }), StartsWith("resources: "));
  }
  EXPECT_EQ(bytes_of(directory / "a"), "old");
  EXPECT_EQ(directory.files(), 1u);
}

TEST(SequentialWriter, PutsSmallAndLargePiecesInOrder) {
  const TemporaryDirectory directory;
  std::string expected;
  io::OutputFile file(directory / "a");
  io::SequentialWriter writer(file);
  for (const std::size_t size : {0u, 1u, 1000u, 1048575u, 2u, 1048576u, 3u, 2000000u, 500000u, 500000u, 500000u}) {
    const std::string piece(size, static_cast<char>('a' + expected.size() % 26));
    writer.bytes(piece.data(), piece.size());
    expected += piece;
  }
  writer.flush();
  file.commit();
  EXPECT_EQ(bytes_of(directory / "a"), expected);
}

}  // namespace
}  // namespace lowshot
