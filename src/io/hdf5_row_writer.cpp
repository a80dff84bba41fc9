// The original's HDF5 file of descriptors, written (lowshot::Hdf5RowWriter).
#include <fmt/format.h>

#include <cerrno>
#include <stdexcept>
#include <vector>

#include "core/half.h"
#include "io/hdf5.h"
#include "io/output_file.h"
#include "lowshot/error.h"
#include "lowshot/io.h"

namespace lowshot {
namespace {

using io::Hdf5Handle;

// IEEE binary16: the library has no name for it before version 1.14.
Hdf5Handle half_type() {
  Hdf5Handle type(H5Tcopy(H5T_IEEE_F32LE), H5Tclose);
  H5Tset_fields(type.get(), 15, 10, 5, 0, 10);
  H5Tset_size(type.get(), 2);
  H5Tset_ebias(type.get(), 15);
  return type;
}

}  // namespace

struct Hdf5RowWriter::State {
  io::OutputFile output;
  std::uint64_t rows, cols, written = 0;
  bool half;
  Hdf5Handle file, features, type;
  std::vector<Half> converted;

  // What HDF5 cannot write is the disk's doing: it has checked its arguments before.
  void check(herr_t result) const {
    if (result < 0) output.fail("write an HDF5 file", errno != 0 ? errno : EIO);
  }

  Hdf5Handle dataset(const char* name, hid_t stored, const std::vector<hsize_t>& shape) const {
    const Hdf5Handle space(H5Screate_simple(static_cast<int>(shape.size()), shape.data(), nullptr), H5Sclose);
    const Hdf5Handle creation(H5Pcreate(H5P_DATASET_CREATE), H5Pclose);
    H5Pset_obj_track_times(creation.get(), false);  // the same rows, the same bytes
    H5Pset_fill_time(creation.get(), H5D_FILL_TIME_NEVER);
    Hdf5Handle made(H5Dcreate2(file.get(), name, stored, space.get(), H5P_DEFAULT, creation.get(), H5P_DEFAULT),
                    H5Dclose);
    check(made.get() < 0 ? -1 : 0);
    return made;
  }

  void whole(const char* name, std::span<const std::int32_t> values) const {
    const Hdf5Handle made = dataset(name, H5T_STD_I32LE, {values.size()});
    check(H5Dwrite(made.get(), H5T_NATIVE_INT32, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data()));
  }
};

Hdf5RowWriter::Hdf5RowWriter(const fs::path& path, std::uint64_t rows, std::uint32_t cols, bool half)
    : state_(new State{io::OutputFile(path), rows, cols, 0, half, {}, {}, {}, {}}) {
  const io::QuietHdf5 quiet;
  State& s = *state_;
  errno = 0;
  s.file = Hdf5Handle(H5Fcreate(s.output.temporary().c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), H5Fclose);
  s.check(s.file.get() < 0 ? -1 : 0);
  s.type = half ? half_type() : Hdf5Handle(H5Tcopy(H5T_IEEE_F32LE), H5Tclose);
  s.features = s.dataset("all_feats", s.type.get(), {rows, cols});
}

Hdf5RowWriter::~Hdf5RowWriter() {
  if (!state_) return;
  const io::QuietHdf5 quiet;
  state_.reset();
}
Hdf5RowWriter::Hdf5RowWriter(Hdf5RowWriter&&) noexcept = default;

void Hdf5RowWriter::write(std::uint64_t first_row, MatrixView<const float> values) {
  State& s = *state_;
  if (values.cols() != s.cols || first_row > s.rows || values.rows() > s.rows - first_row)
    throw std::logic_error(fmt::format("{}: rows {} + {} of {}", s.output.name(), first_row, values.rows(), s.rows));
  if (values.rows() == 0) return;
  const io::QuietHdf5 quiet;
  const void* data = values.data();
  if (s.half) {
    s.converted.resize(values.size());
    convert(values.data(), s.converted.data(), values.size());
    data = s.converted.data();
  }
  const hsize_t offset[2] = {first_row, 0}, count[2] = {values.rows(), s.cols};
  const Hdf5Handle memory(H5Screate_simple(2, count, nullptr), H5Sclose);
  const Hdf5Handle place(H5Dget_space(s.features.get()), H5Sclose);
  errno = 0;
  s.check(H5Sselect_hyperslab(place.get(), H5S_SELECT_SET, offset, nullptr, count, nullptr));
  s.check(H5Dwrite(s.features.get(), s.type.get(), memory.get(), place.get(), H5P_DEFAULT, data));
  s.written += values.rows();
}

void Hdf5RowWriter::commit(std::span<const std::int32_t> labels) {
  State& s = *state_;
  if (s.written != s.rows || labels.size() != s.rows)
    throw std::logic_error(
        fmt::format("{}: commit after {} rows and {} labels of {}", s.output.name(), s.written, labels.size(), s.rows));
  if (s.rows > INT32_MAX)
    throw Error(ErrorKind::usage, fmt::format("{} rows exceed what the format's count can say", s.rows),
                s.output.name(), "write npy, or split the rows into blocks (--i0, --i1)");
  const io::QuietHdf5 quiet;
  errno = 0;
  s.whole("all_labels", labels);
  const std::int32_t count = static_cast<std::int32_t>(s.rows);
  s.whole("count", {&count, 1});
  s.check(H5Fflush(s.file.get(), H5F_SCOPE_GLOBAL));
  s.features = {};
  s.file = {};
  s.output.commit();
}

}  // namespace lowshot
