#include <fmt/format.h>

#include "lowshot/edge_weights.h"
#include "lowshot/error.h"
#include "lowshot/io.h"

namespace lowshot {

Matrix<float> read_edge_weights(const fs::path& file, std::uint64_t rows, std::uint64_t k) {
  const std::unique_ptr<RowSource> source = open_npy_rows(file);
  if (source->rows() != rows || source->dim() != k)
    throw Error(ErrorKind::input,
                fmt::format("expected a weight for each of the {} neighbours of {} rows and found {} rows of {}", k,
                            rows, source->rows(), source->dim()),
                source->name(), "write an npy file, float32 [rows, k], in the order of the neighbour table");
  Matrix<float> weights(rows, k);
  source->read(0, weights);
  require_finite(weights, source->name());
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t e = 0; e < k; ++e)
      if (weights(i, e) < 0 || weights(i, e) > largest_edge_weight)
        throw Error(ErrorKind::input,
                    fmt::format("row {}, column {}: the weight {} is not from 0 to {}", i, e, weights(i, e),
                                largest_edge_weight),
                    source->name(), "weights of edges are not negative; their unit does not matter");
  return weights;
}

}  // namespace lowshot
