// What scipy.sparse.save_npz writes, and what lies.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "lowshot/sparse_matrix.h"
#include "oracle/files.h"
#include "oracle/views.h"
#include "oracle/zip_files.h"

namespace lowshot {
namespace {

using fixtures::raw;
using oracle::error_of;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string npy(const std::string& descr, const std::string& shape, const std::string& values) {
  const std::string dict = "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }   \n";
  return "\x93NUMPY" + std::string("\1\0", 2) + raw(static_cast<std::uint16_t>(dict.size())) + dict + values;
}

template <typename T>
std::string array(const std::string& descr, const std::vector<T>& values) {
  return npy(descr, "(" + std::to_string(values.size()) + ",)", raw(values.data(), values.size()));
}

/// 3 x 4: row 0 has columns 3 and 1, row 1 nothing, row 2 column 0.
struct Members {
  std::string indices = array<std::int32_t>("<i4", {3, 1, 0}), indptr = array<std::int32_t>("<i4", {0, 2, 2, 3}),
              format = npy("|S3", "()", "csr"), shape = array<std::int64_t>("<i8", {3, 4}),
              data = array<double>("<f8", {0.5, 2, 1e-3});
};

SparseMatrix read(const Members& m, bool deflated = false) {
  const fixtures::TemporaryDirectory directory;
  std::vector<fixtures::ZipMember> members;
  for (const auto& [name, content] :
       {std::pair("indices", &m.indices), std::pair("indptr", &m.indptr), std::pair("format", &m.format),
        std::pair("shape", &m.shape), std::pair("data", &m.data)})
    if (!content->empty()) members.push_back({std::string(name) + ".npy", *content, deflated});
  fixtures::put(directory / "g.npz", fixtures::zip_file(members));
  SparseMatrix result = read_sparse_npz(directory / "g.npz");
  const SparseSize size = sparse_npz_size(directory / "g.npz");
  EXPECT_EQ(size.rows, result.rows);
  EXPECT_EQ(size.cols, result.cols);
  EXPECT_EQ(size.entries, result.columns.size());
  return result;
}

std::string refused(const Members& m) {
  return error_of([&] { read(m); });
}

TEST(SparseNpz, ReadsWhatScipyWrites) {
  Members wide;
  wide.indices = array<std::int64_t>("<i8", {3, 1, 0});
  wide.indptr = array<std::int64_t>("<i8", {0, 2, 2, 3});
  wide.data = array<float>("<f4", {0.5f, 2, 1e-3f});
  for (const Members& m : {Members{}, wide})
    for (const bool deflated : {false, true}) {
      const SparseMatrix read_back = read(m, deflated);
      EXPECT_EQ(read_back.rows, 3u);
      EXPECT_EQ(read_back.cols, 4u);
      EXPECT_THAT(read_back.offsets, ElementsAre(0, 2, 2, 3));
      EXPECT_THAT(read_back.columns, ElementsAre(3, 1, 0));
      EXPECT_THAT(read_back.values, ElementsAre(0.5f, 2, 1e-3f));
    }
  Members counts;
  counts.data = array<std::int64_t>("<i8", {1, 7, 0});
  EXPECT_THAT(read(counts).values, ElementsAre(1, 7, 0));
}

TEST(SparseNpz, RefusesOtherFormats) {
  Members m;
  m.format = npy("|S3", "()", "coo");
  EXPECT_THAT(refused(m), AllOf(HasSubstr("input: expected a sparse matrix in the format csr and found coo"),
                                HasSubstr("g.npz, member format.npy"), HasSubstr("scipy.sparse.save_npz")));
  m.format = npy("<U3", "()", std::string(12, 'c'));
  EXPECT_THAT(refused(m), HasSubstr("dtype '<U3'"));
  m.format.clear();
  EXPECT_THAT(refused(m), HasSubstr("the member is missing"));
  m = {};
  m.data = npy("|O", "(3,)", std::string(24, ' '));
  EXPECT_THAT(refused(m), HasSubstr("pickled"));
  m.data = array<double>("<f8", {1, 2, 3}).replace(0, 1, "x");
  EXPECT_THAT(refused(m), HasSubstr("expected an npy file"));
}

TEST(SparseNpz, RefusesSizesThatDoNotAgree) {
  Members m;
  m.shape = array<std::int64_t>("<i8", {4, 4});
  EXPECT_THAT(refused(m), AllOf(HasSubstr("member indptr.npy"), HasSubstr("one dimension of 5 values and found [4]")));
  m.shape = array<std::int64_t>("<i8", {-3, 4});
  EXPECT_THAT(refused(m), AllOf(HasSubstr("member shape.npy"), HasSubstr("found -3")));
  m.shape = array<std::int64_t>("<i8", {3, 4, 5});
  EXPECT_THAT(refused(m), HasSubstr("found [3]"));
  m.shape = array<double>("<f8", {3, 4});
  EXPECT_THAT(refused(m), HasSubstr("expected int32 or int64 and found float64"));
  m = {};
  m.indptr = array<std::int32_t>("<i4", {0, 2, 1, 3});
  EXPECT_THAT(refused(m), HasSubstr("value 2 is 1 and follows 2"));
  m.indptr = array<std::int32_t>("<i4", {1, 2, 2, 3});
  EXPECT_THAT(refused(m), HasSubstr("value 0 is 1"));
  m.indptr = array<std::int32_t>("<i4", {0, 2, 2, 4});
  EXPECT_THAT(refused(m), AllOf(HasSubstr("member indices.npy"), HasSubstr("of 4 values and found [3]")));
  // far more entries than the file holds: nothing is allocated for them
  m.indptr = array<std::int64_t>("<i8", {0, 2, 2, std::int64_t{1} << 61});
  EXPECT_THAT(refused(m), HasSubstr("are more than any file holds"));
  m.indptr = array<std::int64_t>("<i8", {0, 2, 2, std::int64_t{1} << 50});
  EXPECT_THAT(refused(m), HasSubstr("member indices.npy"));
  m = {};
  m.data = array<double>("<f8", {1, 2});
  EXPECT_THAT(refused(m), AllOf(HasSubstr("member data.npy"), HasSubstr("of 3 values and found [2]")));
  m.data = npy("<f8", "(3,)", std::string(23, '\0'));
  EXPECT_THAT(refused(m), HasSubstr("needs 24 bytes of values and the file holds 23"));
  m.data = npy("<f8", "(3, 1)", std::string(24, '\0'));
  EXPECT_THAT(refused(m), HasSubstr("found [3, 1]"));
  m.data = "\x93NUM";
  EXPECT_THAT(refused(m), HasSubstr("the npy magic is expected"));
  m.data = array<double>("<f8", std::vector<double>(4096, 1.0));
  EXPECT_THAT(refused(m), HasSubstr("at most"));
}

TEST(SparseNpz, RefusesColumnsAndWeightsThatAreNone) {
  Members m;
  for (const std::int32_t column : {-1, 4}) {
    m.indices = array<std::int32_t>("<i4", {3, 1, column});
    EXPECT_THAT(refused(m), HasSubstr("row 2: column " + std::to_string(column) + " is not from 0 to 3"));
  }
  m = {};
  for (const double weight : {-1.0, std::numeric_limits<double>::quiet_NaN(), 1e19}) {
    m.data = array<double>("<f8", {0.5, weight, 1});
    EXPECT_THAT(refused(m), AllOf(HasSubstr("row 0, column 1: the weight"), HasSubstr("is not from 0 to")));
  }
}

}  // namespace
}  // namespace lowshot
