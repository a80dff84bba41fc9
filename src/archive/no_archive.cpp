// What a build without libzip has in place of sparse_npz.cpp.
#include "lowshot/error.h"
#include "lowshot/sparse_matrix.h"

namespace lowshot {
namespace {

[[noreturn]] void refuse(const std::filesystem::path& path) {
  throw Error(ErrorKind::device, "this build cannot read .npz files: it was made without libzip", path.string(),
              "configure with LOWSHOT_EXTRACT=ON and build again");
}

}  // namespace

SparseMatrix read_sparse_npz(const std::filesystem::path& path) {
  refuse(path);
}

SparseSize sparse_npz_size(const std::filesystem::path& path) {
  refuse(path);
}

}  // namespace lowshot
