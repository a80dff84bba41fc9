#pragma once
// Chosen rows of a file, as it stores them.

#include <cstdint>
#include <vector>

#include "lowshot/context.h"
#include "lowshot/raw_rows.h"
#include "lowshot/row_source.h"

namespace lowshot {

inline constexpr std::uint64_t read_chosen_block = 4096;  ///< rows read at a time

/// The rows of a source that `chosen` names, rising. Throws Error (input) naming row and column of NaN and infinity.
RawRows read_chosen(Context& context, RowSource& source, const std::vector<std::uint32_t>& chosen);

/// What `read_chosen` returns, in bytes.
std::uint64_t raw_bytes(const RowSource& source, std::uint64_t rows);

}  // namespace lowshot
