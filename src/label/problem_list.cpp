#include "label/problem_list.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace lowshot::label {

std::string ProblemList::text() const {
  std::string text = fmt::format("{} {}: {}", count_, count_ == 1 ? one_ : several_, fmt::join(first_, ", "));
  if (count_ > shown_cases) text += fmt::format(" and {} more", count_ - shown_cases);
  return text;
}

}  // namespace lowshot::label
