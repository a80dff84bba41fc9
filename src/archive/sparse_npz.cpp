// scipy.sparse.save_npz: a zip of npy files, indices, indptr, format, shape and data. Sizes are known in this order:
// shape says how long indptr must be, its last value how long indices and data must be; a member that claims more is
// refused before it is unpacked.
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>
#include <vector>

#include "archive/zip_archive.h"
#include "io/npy.h"
#include "lowshot/error.h"
#include "lowshot/sparse_matrix.h"

namespace lowshot {
namespace {

using io::Scalar;

constexpr std::uint64_t most_entries = std::uint64_t{1} << 56;  // sizes of them do not overflow
constexpr std::uint64_t least_index = sizeof(std::int32_t);
constexpr std::uint64_t header_room = 4096;  // of an npy header; scipy's have 128 bytes
const char* const made_by = "make it with scipy.sparse.save_npz(name, scipy.sparse.csr_matrix(weights))";

class Member {
 public:
  /// `limit`: the most bytes of values.
  Member(const archive::ZipArchive& zip, const std::string& path, const char* name, std::uint64_t limit)
      : where_(fmt::format("{}, member {}.npy", path, name)) {
    const std::optional<std::uint64_t> found = zip.find(fmt::format("{}.npy", name));
    if (!found)
      throw Error(ErrorKind::input, "expected a sparse matrix in CSR format: the member is missing", where_, made_by);
    bytes_ = zip.read(*found, limit + header_room);
  }

  std::string letters() const { return io::read_npy_letters(text(), where_); }

  /// One-dimensional, `count` values (any number where it is not given).
  void open(std::optional<std::uint64_t> count, bool integers) {
    header_ = io::read_npy_header(text(), where_);
    if (header_.shape.size() != 1 || (count && header_.shape[0] != *count))
      fail(fmt::format("expected one dimension{} and found [{}]", count ? fmt::format(" of {} values", *count) : "",
                       fmt::join(header_.shape, ", ")));
    if (header_.type == Scalar::float16 || (integers && io::is_float(header_.type)))
      fail(fmt::format("expected {} and found {}", integers ? "int32 or int64" : "float32 or float64",
                       io::name(header_.type)));
  }

  std::uint64_t size() const { return header_.shape[0]; }

  /// take(i, value) for each value, as double or std::int64_t.
  template <typename Take>
  void each(const Take& take) const {
    switch (header_.type) {
      case Scalar::float32:
        return each_as<float, double>(take);
      case Scalar::float64:
        return each_as<double, double>(take);
      case Scalar::int32:
        return each_as<std::int32_t, std::int64_t>(take);
      case Scalar::int64:
        return each_as<std::int64_t, std::int64_t>(take);
      case Scalar::float16:
        break;
    }
  }

  [[noreturn]] void fail(const std::string& what) const { throw Error(ErrorKind::input, what, where_, made_by); }

 private:
  std::string_view text() const { return {reinterpret_cast<const char*>(bytes_.data()), bytes_.size()}; }

  template <typename Stored, typename Value, typename Take>
  void each_as(const Take& take) const {
    const std::byte* at = bytes_.data() + header_.data_offset;
    for (std::uint64_t i = 0; i < size(); ++i, at += sizeof(Stored)) {
      Stored value;
      std::memcpy(&value, at, sizeof(Stored));
      take(i, static_cast<Value>(value));
    }
  }

  std::string where_;
  std::vector<std::byte> bytes_;
  io::NpyHeader header_;
};

/// Format, shape and offsets.
SparseMatrix read_rows(const archive::ZipArchive& zip, const std::string& name) {
  const Member format(zip, name, "format", header_room);
  if (const std::string letters = format.letters(); letters != "csr")
    format.fail(fmt::format("expected a sparse matrix in the format csr and found {}", letters));

  SparseMatrix m;
  Member shape(zip, name, "shape", header_room);
  shape.open(2, true);
  shape.each([&](std::uint64_t i, auto value) {
    if (value < 0 || value > static_cast<std::int64_t>(max_nodes))
      shape.fail(fmt::format("expected a side of at most {} and found {}", max_nodes, value));
    (i == 0 ? m.rows : m.cols) = static_cast<std::uint64_t>(value);
  });

  {
    Member indptr(zip, name, "indptr", (m.rows + 1) * sizeof(std::int64_t));
    indptr.open(m.rows + 1, true);
    m.offsets.resize(m.rows + 1);
    std::int64_t before = 0;
    indptr.each([&](std::uint64_t i, auto value) {
      const auto offset = static_cast<std::int64_t>(value);
      if (i == 0 ? offset != 0 : offset < before)
        indptr.fail(fmt::format("value {} is {} and follows {}, expected to begin with 0 and never to fall", i, offset,
                                before));
      before = offset;
      m.offsets[i] = static_cast<std::uint64_t>(offset);
    });
  }
  const std::uint64_t entries = m.offsets.back();
  if (entries > most_entries)
    throw Error(ErrorKind::input, fmt::format("{} entries are more than any file holds", entries), name, made_by);
  if (const auto indices = zip.find("indices.npy"); indices && zip.member(*indices).bytes / least_index < entries)
    throw Error(ErrorKind::input, fmt::format("{} entries are more than it holds", entries),
                fmt::format("{}, member indices.npy", name), made_by);
  return m;
}

}  // namespace

SparseSize sparse_npz_size(const std::filesystem::path& path) {
  const SparseMatrix m = read_rows(archive::ZipArchive(path), path.string());
  return {m.rows, m.cols, m.offsets.back()};
}

SparseMatrix read_sparse_npz(const std::filesystem::path& path) {
  const archive::ZipArchive zip(path);
  const std::string name = path.string();
  SparseMatrix m = read_rows(zip, name);
  const std::uint64_t entries = m.offsets.back();
  const auto row_of = [&](std::uint64_t e) {
    return std::upper_bound(m.offsets.begin(), m.offsets.end(), e) - m.offsets.begin() - 1;
  };

  {
    Member indices(zip, name, "indices", entries * sizeof(std::int64_t));
    indices.open(entries, true);
    m.columns.resize(entries);
    indices.each([&](std::uint64_t e, auto value) {
      const auto column = static_cast<std::int64_t>(value);
      if (column < 0 || static_cast<std::uint64_t>(column) >= m.cols)
        indices.fail(fmt::format("row {}: column {} is not from 0 to {}", row_of(e), column,
                                 static_cast<std::int64_t>(m.cols) - 1));
      m.columns[e] = static_cast<std::uint32_t>(column);
    });
  }

  Member data(zip, name, "data", entries * sizeof(double));
  data.open(entries, false);
  m.values.resize(entries);
  data.each([&](std::uint64_t e, auto value) {
    const auto weight = static_cast<double>(value);
    if (!(weight >= 0 && weight <= largest_edge_weight))
      data.fail(fmt::format("row {}, column {}: the weight {} is not from 0 to {}", row_of(e), m.columns[e], weight,
                            largest_edge_weight));
    m.values[e] = static_cast<float>(weight);
  });
  return m;
}

}  // namespace lowshot
