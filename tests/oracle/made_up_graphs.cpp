#include "oracle/made_up_graphs.h"

#include <random>

#include "oracle/neighbours.h"

namespace oracle {

Lists clustered_lists(std::size_t n, std::size_t k, std::uint32_t seed) {
  const MadeUpRows rows = make_rows(Shape::clustered, n, 16, seed);
  Lists lists(n);
  const auto ranking = nearest(Similarity::inner_product, rows, rows);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j < k && j < n; ++j) lists[i].push_back(ranking[i][j].id);
  return lists;
}

Lists untidy_lists(std::size_t n, std::size_t k, std::uint32_t seed) {
  std::mt19937 random(seed);
  Lists lists(n);
  for (std::size_t i = 0; i < n; ++i) {
    if (random() % 10 == 0) {  // nobody is this row's neighbour
      lists[i].assign(k, -1);
      continue;
    }
    for (std::size_t j = 0; j < k; ++j) {
      const std::uint32_t kind = random() % 10;
      if (kind == 0)
        lists[i].push_back(-1);
      else if (kind == 1 && j > 0)
        lists[i].push_back(lists[i][random() % j]);
      else
        lists[i].push_back(static_cast<std::int64_t>((i + random() % (n / 4 + 1)) % n));
    }
  }
  return lists;
}

Lists chain(std::size_t n) {
  Lists lists(n);
  for (std::size_t i = 0; i < n; ++i) {
    lists[i].push_back(static_cast<std::int64_t>(i));
    if (i + 1 < n) lists[i].push_back(static_cast<std::int64_t>(i + 1));
  }
  return lists;
}

std::vector<std::int32_t> labels(std::size_t n, std::size_t classes, std::size_t every, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<std::int32_t> result(n, -1);
  for (std::size_t i = 0; i < n; i += every) {
    std::uint32_t c = random() % static_cast<std::uint32_t>(classes);
    if (c == 1) c = 0;
    result[i] = static_cast<std::int32_t>(c);
  }
  return result;
}

}  // namespace oracle
