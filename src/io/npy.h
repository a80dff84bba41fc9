#pragma once
// The npy container: magic, version, a header that is the text of a Python dict, then the values.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "io/input_file.h"
#include "io/scalar.h"

namespace lowshot::io {

struct NpyHeader {
  Scalar type = Scalar::float32;
  std::vector<std::uint64_t> shape;
  std::uint64_t data_offset = 0;  ///< where the values begin
};

/// Reads and checks the header; the file holds exactly the values it announces. Fortran order, big-endian values,
/// pickled objects and dtypes other than those of `Scalar` are refused.
NpyHeader read_npy_header(const InputFile& file);

/// The same of an npy file in memory, such as a member of an npz; `where` is for messages.
NpyHeader read_npy_header(std::string_view bytes, const std::string& where);
/// The letters of an npy file that holds one string of bytes (dtype S, no dimension).
std::string read_npy_letters(std::string_view bytes, const std::string& where);

/// Version 1, C order, padded so that the values begin on a multiple of 64 bytes, as numpy writes it.
std::string npy_header(Scalar type, const std::vector<std::uint64_t>& shape);

}  // namespace lowshot::io
