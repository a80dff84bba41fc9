#pragma once
// Lists of numbers as people write them: "1,2,5", "1-5", "1-3,8".

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lowshot {

/// The numbers in the order given. Throws Error (usage) naming `option` otherwise.
std::vector<std::uint32_t> parse_number_list(std::string_view text, const std::string& option);

}  // namespace lowshot
