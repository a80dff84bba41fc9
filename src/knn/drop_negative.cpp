#include <limits>

#include "lowshot/knn_table.h"

namespace lowshot {

void drop_negative(KnnTable& table) {
  for (std::size_t e = 0; e < table.ids.size(); ++e)
    if (table.similarities.data()[e] < 0) {
      table.ids.data()[e] = no_node;
      table.similarities.data()[e] = -std::numeric_limits<float>::infinity();
    }
}

}  // namespace lowshot
