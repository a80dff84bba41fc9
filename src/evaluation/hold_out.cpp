#include "lowshot/hold_out.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "lowshot/random.h"

namespace lowshot {

Matrix<std::uint8_t> stratified_folds(std::span<const std::int32_t> classes, std::uint32_t class_count,
                                      std::uint32_t folds, std::uint32_t repeats, std::uint32_t seed) {
  std::vector<std::vector<std::uint32_t>> rows_of_class(class_count);
  for (std::size_t i = 0; i < classes.size(); ++i)
    rows_of_class[static_cast<std::size_t>(classes[i])].push_back(static_cast<std::uint32_t>(i));
  Matrix<std::uint8_t> fold(repeats, classes.size());
  NumpyRandomState random(seed);
  for (std::uint32_t r = 0; r < repeats; ++r)
    for (std::vector<std::uint32_t> rows : rows_of_class) {
      random.shuffle(std::span(rows));
      // A class with fewer rows than folds begins at a random fold: otherwise the first folds would hold out more rows.
      const std::uint32_t start = random.interval(folds - 1);
      for (std::size_t j = 0; j < rows.size(); ++j)
        fold(r, rows[j]) = rows.size() == 1 ? never_held_out : static_cast<std::uint8_t>((start + j) % folds);
    }
  return fold;
}

Interval wilson_interval(double share, std::uint64_t n) {
  if (n == 0) return {};
  constexpr double z = 1.959963984540054;
  const double count = static_cast<double>(n), square = z * z / count;
  const double centre = (share + square / 2) / (1 + square);
  const double half = z / (1 + square) * std::sqrt(share * (1 - share) / count + square / (4 * count));
  return {std::max(0.0, centre - half), std::min(1.0, centre + half)};
}

bool clearly_better(std::uint64_t only_first, std::uint64_t only_second) {
  const double difference = static_cast<double>(only_first) - static_cast<double>(only_second);
  return difference > std::sqrt(static_cast<double>(only_first + only_second));
}

}  // namespace lowshot
