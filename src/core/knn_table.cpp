// Order in a k-NN table that came from a file: falling similarity, ties by rising id, no id twice, empty places last.
#include "lowshot/knn_table.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace lowshot {
namespace {

struct Neighbour {
  float similarity;
  NodeId id;
};

/// A similarity that is not a number ranks last: the edge stays, its place in the row means nothing.
float rank(float similarity) {
  return std::isnan(similarity) ? -std::numeric_limits<float>::infinity() : similarity;
}

bool before(const Neighbour& a, const Neighbour& b) {
  return a.similarity != b.similarity ? a.similarity > b.similarity : a.id < b.id;
}

void tidy_row(NodeId* ids, float* similarities, std::size_t k, std::vector<Neighbour>& row) {
  row.clear();
  for (std::size_t j = 0; j < k; ++j) {
    if (ids[j] != no_node) row.push_back({rank(similarities[j]), ids[j]});
  }
  // By id first, the best of each id in front: the others fall out.
  std::sort(row.begin(), row.end(), [](const Neighbour& a, const Neighbour& b) {
    return a.id != b.id ? a.id < b.id : a.similarity > b.similarity;
  });
  row.erase(std::unique(row.begin(), row.end(), [](const Neighbour& a, const Neighbour& b) { return a.id == b.id; }),
            row.end());
  std::sort(row.begin(), row.end(), before);
  for (std::size_t j = 0; j < k; ++j) {
    ids[j] = j < row.size() ? row[j].id : no_node;
    similarities[j] = j < row.size() ? row[j].similarity : -std::numeric_limits<float>::infinity();
  }
}

}  // namespace

void tidy(KnnTable& table, int threads) {
#pragma omp parallel num_threads(threads)
  {
    std::vector<Neighbour> row;
#pragma omp for schedule(static)
    for (std::size_t i = 0; i < table.rows(); ++i) {
      tidy_row(table.ids.row(i), table.similarities.row(i), table.k(), row);
    }
  }
}

}  // namespace lowshot
