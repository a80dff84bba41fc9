#pragma once
// Where things lie in a Faiss IndexIVFFlat file: enough to read the lists, or rows out of them, without loading it.

#include <cstdint>
#include <vector>

#include "io/input_file.h"

namespace lowshot::io {

struct IvfLayout {
  struct List {
    std::uint64_t rows = 0;
    std::uint64_t vectors_offset = 0;  ///< rows x dim float32
    std::uint64_t ids_offset = 0;      ///< rows int64
  };
  std::uint32_t dim = 0;
  std::uint64_t rows = 0;
  std::uint32_t nprobe = 1;
  std::uint64_t centroids_offset = 0;  ///< lists x dim float32
  std::vector<List> lists;
};

/// Reads and checks everything but the vectors and ids themselves; all offsets lie inside the file.
IvfLayout read_ivf_layout(const InputFile& file);

}  // namespace lowshot::io
