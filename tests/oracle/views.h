#pragma once
// Between the tests' plain containers and the library's types; and what every test of the kernels iterates over.

#include <cstdint>
#include <string>
#include <vector>

#include "lowshot/context.h"
#include "lowshot/error.h"
#include "lowshot/knn_table.h"
#include "lowshot/matrix.h"
#include "oracle/dense.h"
#include "oracle/made_up_rows.h"

namespace oracle {

/// The instruction sets that this machine has.
std::vector<lowshot::Isa> machine_isas();
lowshot::Context context_of(lowshot::Isa isa, int threads);

lowshot::MatrixView<const float> view(const MadeUpRows& rows);
/// Rows begin .. end-1.
lowshot::MatrixView<const float> view(const MadeUpRows& rows, std::size_t begin, std::size_t end);

/// A table of `k` places a row; a negative id becomes no_node. Similarities fall from 1 and are not looked at.
lowshot::KnnTable table_of(const Lists& lists, std::size_t k);
lowshot::Matrix<lowshot::NodeId> ids_of(const Lists& lists, std::size_t k);

/// The message of the Error that `call` throws, with its kind first ("usage: ..."); "nothing was thrown" otherwise.
template <typename Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const lowshot::Error& error) {
    static const char* const kinds[] = {"usage: ", "input: ", "resources: ", "device: "};
    return kinds[static_cast<int>(error.kind())] + std::string(error.what());
  }
  return "nothing was thrown";
}

}  // namespace oracle
