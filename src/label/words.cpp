// The words for statuses and recipes, as files and options have them.
#include "lowshot/label.h"

namespace lowshot {

std::string_view name(RowStatus status) {
  switch (status) {
    case RowStatus::given:
      return "given";
    case RowStatus::predicted:
      return "predicted";
    case RowStatus::unreached:
      return "unreached";
    case RowStatus::bad:
      return "bad";
    case RowStatus::classified:
      return "classified";
    case RowStatus::unknown:
      return "unknown";
  }
  return "";
}

std::string_view name(LabelRecipe recipe) {
  switch (recipe) {
    case LabelRecipe::automatic:
      return "auto";
    case LabelRecipe::graph:
      return "graph";
    case LabelRecipe::own:
      return "own";
  }
  return "";
}

}  // namespace lowshot
