// HDF5 files of descriptors: datasets all_feats (rows x D), all_labels (rows) and count (one value): only the first
// count[0] rows are valid, for the writer allocates a multiple of its batch size.
#include <fmt/format.h>

#include <limits>
#include <utility>

#include "io/flat_rows.h"
#include "io/hdf5.h"
#include "lowshot/error.h"
#include "lowshot/io.h"

namespace lowshot {
namespace {

/// How many of `allocated` rows are valid.
std::uint64_t valid_rows(const io::Hdf5File& file, std::uint64_t allocated) {
  if (!file.has("count")) return allocated;
  const io::Hdf5Dataset count(file, "count", io::Hdf5Dataset::Kind::integers, 1);
  if (count.shape()[0] == 0) count.fail("expected one value and found none");
  const std::int64_t rows = count.read_integers(1)[0];
  if (rows < 0 || static_cast<std::uint64_t>(rows) > allocated) {
    count.fail(fmt::format("count is {} and the file has {} rows", rows, allocated),
               "the file is damaged or was cut: make or fetch it again");
  }
  return static_cast<std::uint64_t>(rows);
}

class Hdf5Rows : public RowSource {
 public:
  explicit Hdf5Rows(const fs::path& path)
      : file_(path.string()),
        features_(file_, "all_feats", io::Hdf5Dataset::Kind::floats, 2),
        rows_(valid_rows(file_, features_.shape()[0])) {
    const std::uint64_t dim = features_.shape()[1];
    if (dim == 0 || dim > std::numeric_limits<std::int32_t>::max()) {
      features_.fail(fmt::format("descriptors of dimension {} make no sense", dim));
    }
    features_.require_backing(rows_);
  }

  std::uint64_t rows() const override { return rows_; }
  std::uint32_t dim() const override { return static_cast<std::uint32_t>(features_.shape()[1]); }
  bool is_half() const override { return features_.type() == io::Scalar::float16; }
  void read(std::uint64_t begin, MatrixView<float> out) override {
    io::require_block(*this, begin, out);
    features_.read_rows(begin, out);
  }
  std::string name() const override { return features_.name(); }

 private:
  io::Hdf5File file_;
  io::Hdf5Dataset features_;
  std::uint64_t rows_;
};

}  // namespace

std::unique_ptr<RowSource> open_hdf5_rows(const fs::path& path) {
  return std::make_unique<Hdf5Rows>(path);
}

std::vector<std::int32_t> read_hdf5_labels(const fs::path& path) {
  const io::Hdf5File file(path.string());
  const io::Hdf5Dataset dataset(file, "all_labels", io::Hdf5Dataset::Kind::integers, 1);
  const auto wide = dataset.read_integers(valid_rows(file, dataset.shape()[0]));
  std::vector<std::int32_t> labels(wide.size());
  for (std::size_t i = 0; i < wide.size(); ++i) {
    labels[i] = static_cast<std::int32_t>(wide[i]);
    if (labels[i] != wide[i]) dataset.fail(fmt::format("the label {} of row {} does not fit 32 bits", wide[i], i));
  }
  return labels;
}

}  // namespace lowshot
