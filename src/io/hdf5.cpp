#include "io/hdf5.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "core/half.h"
#include "io/input_file.h"
#include "lowshot/error.h"

namespace lowshot::io {
namespace {

constexpr std::uint64_t largest_ratio = 1100;     // gzip's limit is 1,032 bytes out of one
constexpr std::uint64_t block_values = 1u << 22;  // float16 values read at a time: 8 MiB
constexpr std::size_t least_cache = std::size_t{1} << 20;

/// HDF5's innermost description of the last failure, such as "address overflowed".
std::string last_failure() {
  std::string text;
  const auto keep_first = [](unsigned depth, const H5E_error2_t* error, void* data) -> herr_t {
    if (depth == 0 && error->desc != nullptr) *static_cast<std::string*>(data) = error->desc;
    return 0;
  };
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &text);
  return text.empty() ? "no reason given" : text;
}

constexpr const char* damaged = "the file is truncated or damaged: make or fetch it again";
constexpr const char* damaged_or_newer =
    "the file is damaged, or in a form that needs a newer HDF5 (h5repack or h5py's libver=\"v108\" writes an older "
    "one)";

}  // namespace

QuietHdf5::QuietHdf5() {
  // A damaged dataset can leave HDF5 with objects that it cannot close; at the program's exit it would then say so on
  // stderr. Nothing is written through it, so nothing is left to do at exit. To be said before any other call.
  [[maybe_unused]] static const herr_t no_exit_handler = H5dont_atexit();
  H5Eget_auto2(H5E_DEFAULT, &print_, &data_);
  H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
}

QuietHdf5::~QuietHdf5() {
  H5Eset_auto2(H5E_DEFAULT, print_, data_);
}

Hdf5File::Hdf5File(const std::string& path) : name_(path) {
  const QuietHdf5 quiet;
  const InputFile plain(path);  // absent, unreadable, a directory: said without HDF5
  const Hdf5Handle access(H5Pcreate(H5P_FILE_ACCESS), H5Pclose);
  // Locks where the file system has them; network file systems without them are read all the same.
  H5Pset_file_locking(access.get(), /*use_file_locking=*/true, /*ignore_when_disabled=*/true);
  file_ = Hdf5Handle(H5Fopen(path.c_str(), H5F_ACC_RDONLY, access.get()), H5Fclose);
  if (file_.get() < 0) {
    plain.fail(fmt::format("cannot open the file as HDF5: {}", last_failure()), damaged_or_newer);
  }
  // HDF5 itself refuses a file that is shorter than its head says, but not one that is longer.
  const Hdf5Handle creation(H5Fget_create_plist(file_.get()), H5Pclose);
  hsize_t user_block = 0;
  haddr_t end = 0;
  if (H5Pget_userblock(creation.get(), &user_block) < 0 || H5Fget_eoa(file_.get(), &end) < 0) {
    plain.fail(fmt::format("cannot read the head of the HDF5 file: {}", last_failure()), damaged);
  }
  if (user_block == 0 && plain.size() > end) {
    plain.fail(fmt::format("the HDF5 content ends at byte {} and the file has {} bytes", end, plain.size()),
               "the file was resized or its writer was stopped: make or fetch it again");
  }
}

bool Hdf5File::has(const char* dataset) const {
  const QuietHdf5 quiet;
  return H5Lexists(file_.get(), dataset, H5P_DEFAULT) > 0;
}

Hdf5Dataset::Hdf5Dataset(const Hdf5File& file, const char* name, Kind kind, std::size_t rank)
    : file_name_(file.name()), name_(name) {
  const QuietHdf5 quiet;
  if (!file.has(name)) {
    throw Error(ErrorKind::input, fmt::format("the dataset '{}' is missing", name), file_name_,
                "a file of descriptors holds all_feats, all_labels and count");
  }
  H5L_info_t link = {};
  if (H5Lget_info(file.get(), name, &link, H5P_DEFAULT) < 0 || link.type != H5L_TYPE_HARD) {
    fail("expected a dataset kept in this file and found a link", "store the values themselves (h5repack)");
  }
  dataset_ = Hdf5Handle(H5Dopen2(file.get(), name, H5P_DEFAULT), H5Dclose);
  if (dataset_.get() < 0) fail(fmt::format("cannot open it as a dataset: {}", last_failure()), damaged_or_newer);
  const Hdf5Handle space(H5Dget_space(dataset_.get()), H5Sclose);
  const int found_rank = H5Sget_simple_extent_ndims(space.get());
  if (H5Sget_simple_extent_type(space.get()) == H5S_NULL || found_rank < 0 || found_rank > H5S_MAX_RANK) {
    fail("the dataset is empty or its shape cannot be read");
  }
  hsize_t shape[H5S_MAX_RANK] = {};
  H5Sget_simple_extent_dims(space.get(), shape, nullptr);
  shape_.assign(shape, shape + found_rank);
  // A single value may also come as a scalar.
  if (rank == 1 && shape_.empty()) shape_ = {1};
  if (shape_.size() != rank) fail(fmt::format("expected {} dimension(s) and found {}", rank, found_rank));
  check_type(kind);
  check_storage(file);
}

void Hdf5Dataset::check_type(Kind kind) {
  type_handle_ = Hdf5Handle(H5Dget_type(dataset_.get()), H5Tclose);
  const hid_t type = type_handle_.get();
  const H5T_class_t type_class = H5Tget_class(type);
  element_bytes_ = H5Tget_size(type);
  if (kind == Kind::integers) {
    if (type_class != H5T_INTEGER || element_bytes_ > 8) fail("expected integers and found another type");
    return;
  }
  if (type_class != H5T_FLOAT) fail("expected float16 or float32 values and found another type");
  if (H5Tequal(type, H5T_IEEE_F32LE) > 0) {
    type_ = Scalar::float32;
    return;
  }
  // float16 has no name in the library; what it is made of tells: sign 15, exponent 10..14 (bias 15), mantissa 0..9.
  std::size_t sign = 0, exponent = 0, exponent_bits = 0, mantissa = 0, mantissa_bits = 0;
  H5Tget_fields(type, &sign, &exponent, &exponent_bits, &mantissa, &mantissa_bits);
  if (element_bytes_ == 2 && H5Tget_order(type) == H5T_ORDER_LE && sign == 15 && exponent == 10 && exponent_bits == 5 &&
      mantissa == 0 && mantissa_bits == 10 && H5Tget_ebias(type) == 15) {
    type_ = Scalar::float16;
    return;
  }
  fail(fmt::format("expected little-endian float16 or float32 values and found {}-byte {} ones", element_bytes_,
                   H5Tget_order(type) == H5T_ORDER_BE ? "big-endian" : "little-endian"),
       "convert it, e.g. in h5py with array.astype('<f4')");
}

void Hdf5Dataset::check_storage(const Hdf5File& file) {
  std::uint64_t bytes = element_bytes_;
  for (const std::uint64_t length : shape_) {
    if (__builtin_mul_overflow(bytes, length, &bytes)) fail("the shape exceeds 64 bits", damaged);
  }
  const Hdf5Handle creation(H5Dget_create_plist(dataset_.get()), H5Pclose);
  const H5D_layout_t layout = H5Pget_layout(creation.get());
  if (layout == H5D_COMPACT) return;
  if ((layout != H5D_CONTIGUOUS && layout != H5D_CHUNKED) || H5Pget_external_count(creation.get()) != 0) {
    fail("the values are kept in other files", "store them in this file (h5repack)");
  }
  if (layout == H5D_CONTIGUOUS) return;
  const int filters = H5Pget_nfilters(creation.get());
  for (int i = 0; i < filters; ++i) {
    unsigned flags = 0, config = 0;
    std::size_t count = 0;
    char filter_name[64] = {};
    const H5Z_filter_t filter = H5Pget_filter2(creation.get(), static_cast<unsigned>(i), &flags, &count, nullptr,
                                               sizeof filter_name, filter_name, &config);
    if (filter == H5Z_FILTER_DEFLATE || filter == H5Z_FILTER_SHUFFLE || filter == H5Z_FILTER_FLETCHER32) continue;
    fail(fmt::format("it is packed by the filter {} ({}), expected gzip and shuffle", filter, filter_name),
         "repack it: h5repack -f SHUF -f GZIP=4 FILE NEW_FILE");
  }
  std::vector<hsize_t> chunk(shape_.size());
  if (H5Pget_chunk(creation.get(), static_cast<int>(chunk.size()), chunk.data()) != static_cast<int>(chunk.size())) {
    fail("the chunk shape cannot be read", damaged);
  }
  std::uint64_t chunk_bytes = element_bytes_;
  for (const hsize_t length : chunk) chunk_bytes *= length;  // HDF5 keeps chunks below 4 GiB
  const std::uint64_t stored = H5Dget_storage_size(dataset_.get());
  if (stored == 0) return;  // nothing written: `require_backing` refuses every row
  if (chunk_bytes / largest_ratio > stored) {
    fail(fmt::format("a chunk claims {} bytes and the whole dataset has {} stored bytes", chunk_bytes, stored),
         damaged);
  }
  // Blocks that end inside a band of chunks must not inflate the band again for the next block: the cache holds one.
  std::uint64_t band_bytes = chunk_bytes;
  if (shape_.size() == 2 && chunk[1] != 0) band_bytes *= (shape_[1] + chunk[1] - 1) / chunk[1];
  band_bytes = std::min(band_bytes, stored * largest_ratio);
  const Hdf5Handle access(H5Pcreate(H5P_DATASET_ACCESS), H5Pclose);
  H5Pset_chunk_cache(access.get(), H5D_CHUNK_CACHE_NSLOTS_DEFAULT, std::max<std::size_t>(band_bytes, least_cache), 1.0);
  // Closed before it is opened again: HDF5 lets two handles on one dataset share the first one's cache.
  dataset_ = Hdf5Handle();
  dataset_ = Hdf5Handle(H5Dopen2(file.get(), name_.c_str(), access.get()), H5Dclose);
  if (dataset_.get() < 0) fail(fmt::format("cannot open it as a dataset: {}", last_failure()), damaged_or_newer);
}

void Hdf5Dataset::require_backing(std::uint64_t rows) const {
  const QuietHdf5 quiet;
  std::uint64_t bytes = rows * element_bytes_;
  if (shape_.size() == 2) bytes *= shape_[1];
  const std::uint64_t stored = H5Dget_storage_size(dataset_.get());
  if (bytes / largest_ratio <= stored && (bytes == 0 || stored > 0)) return;
  fail(fmt::format("{} rows of {} bytes are announced and {} bytes are stored", rows, rows == 0 ? 0 : bytes / rows,
                   stored),
       "the file was never filled, or is damaged: make or fetch it again");
}

void Hdf5Dataset::read(std::uint64_t begin, std::uint64_t count, hid_t memory_type, void* out) const {
  if (count == 0) return;
  const Hdf5Handle space(H5Dget_space(dataset_.get()), H5Sclose);
  Hdf5Handle memory;
  if (H5Sget_simple_extent_ndims(space.get()) == 0) {
    memory = Hdf5Handle(H5Screate(H5S_SCALAR), H5Sclose);
  } else {
    const hsize_t start[2] = {begin, 0};
    const hsize_t size[2] = {count, shape_.size() == 2 ? shape_[1] : 1};
    memory = Hdf5Handle(H5Screate_simple(static_cast<int>(shape_.size()), size, nullptr), H5Sclose);
    H5Sselect_hyperslab(space.get(), H5S_SELECT_SET, start, nullptr, size, nullptr);
  }
  if (H5Dread(dataset_.get(), memory_type, memory.get(), space.get(), H5P_DEFAULT, out) < 0) {
    fail(fmt::format("reading rows {} to {} failed: {}", begin, begin + count, last_failure()), damaged);
  }
}

void Hdf5Dataset::read_rows(std::uint64_t begin, MatrixView<float> out) const {
  const QuietHdf5 quiet;
  if (type_ == Scalar::float32) {
    read(begin, out.rows(), type_handle_.get(), out.data());
    return;
  }
  // float16 is read as it lies in the file and converted here: HDF5's own conversion takes 8 times longer. Measured on
  // 50,000 x 512 values in chunks of 1000 x 512 (gzip + shuffle, 42 MB; 2-core Zen 3, page cache warm): as it lies 0.21
  // s, converted by HDF5 1.75 s. Reading the packed chunks and inflating them on two threads takes 0.10 s, which is not
  // worth a second reader beside a program that then works for seconds.
  const std::uint64_t step = std::max<std::uint64_t>(1, block_values / std::max<std::uint64_t>(1, out.cols()));
  for (std::uint64_t done = 0; done < out.rows(); done += step) {
    const std::uint64_t count = std::min<std::uint64_t>(step, out.rows() - done);
    block_.resize(count * out.cols());
    read(begin + done, count, type_handle_.get(), block_.data());
    convert(block_.data(), out.data() + done * out.cols(), block_.size());
  }
}

std::vector<std::int64_t> Hdf5Dataset::read_integers(std::uint64_t count) const {
  const QuietHdf5 quiet;
  require_backing(count);
  std::vector<std::int64_t> values(count);
  read(0, count, H5T_NATIVE_INT64, values.data());
  return values;
}

void Hdf5Dataset::fail(const std::string& what, const std::string& advice) const {
  throw Error(ErrorKind::input, what, name(), advice);
}

}  // namespace lowshot::io
