// The best classes of every row, from slices of scores (reference protocol, "Evaluation").

#include <immintrin.h>

#include <bit>
#include <cassert>
#include <limits>

#include "lowshot/evaluation.h"

namespace lowshot {
namespace {

constexpr float nothing = -std::numeric_limits<float>::infinity();

// The order of the table: higher score first, then lower class. An empty place (-1, the largest value unsigned) loses
// against every class.
bool better(float score_a, std::uint32_t class_a, float score_b, std::uint32_t class_b) {
  return score_a > score_b || (score_a == score_b && class_a < class_b);
}

void insert(std::int32_t* classes, float* scores, std::size_t width, std::int32_t new_class, float score) {
  std::size_t place = width - 1;
  while (place > 0 && better(score, static_cast<std::uint32_t>(new_class), scores[place - 1],
                             static_cast<std::uint32_t>(classes[place - 1]))) {
    scores[place] = scores[place - 1];
    classes[place] = classes[place - 1];
    --place;
  }
  scores[place] = score;
  classes[place] = new_class;
}

// Eight scores at a time against the worst score kept: after the first few classes nearly every group of eight is
// passed over with one comparison. Where the classes come in rising order, an equal score cannot win either, so that
// rows that are mostly zero are passed over just as fast.
void offer_row(std::int32_t* classes, float* scores, std::size_t width, std::uint32_t first_class, const float* offered,
               std::size_t count) {
  float& worst = scores[width - 1];
  const std::int32_t& worst_class = classes[width - 1];
  std::size_t i = 0;
  while (i < count) {
    const std::size_t group = count - i < 8 ? 1 : 8;
    std::uint32_t candidates = 1;
    if (group == 8) {
      const __m256 values = _mm256_loadu_ps(offered + i);
      const __m256 limit = _mm256_set1_ps(worst);
      const bool ties_lose = static_cast<std::uint32_t>(worst_class) < first_class + i;
      const __m256 passes =
          ties_lose ? _mm256_cmp_ps(values, limit, _CMP_GT_OQ) : _mm256_cmp_ps(values, limit, _CMP_GE_OQ);
      candidates = static_cast<std::uint32_t>(_mm256_movemask_ps(passes));
    }
    for (; candidates != 0; candidates &= candidates - 1) {
      const std::size_t j = i + static_cast<std::size_t>(std::countr_zero(candidates));
      const std::uint32_t c = first_class + static_cast<std::uint32_t>(j);
      if (better(offered[j], c, worst, static_cast<std::uint32_t>(worst_class))) {
        insert(classes, scores, width, static_cast<std::int32_t>(c), offered[j]);
      }
    }
    i += group;
  }
}

}  // namespace

TopClasses::TopClasses(std::size_t rows, std::uint32_t width, Scores scores)
    : classes_(rows, width),
      scores_(rows, width),
      any_sign_(scores == Scores::any_sign),
      no_classes_(width, -1),
      no_scores_(width, nothing) {
  assert(width > 0);
  for (std::size_t i = 0; i < classes_.size(); ++i) classes_.data()[i] = -1;
  for (std::size_t i = 0; i < scores_.size(); ++i) scores_.data()[i] = nothing;
}

void TopClasses::offer(std::uint32_t first_class, MatrixView<const float> scores, int threads) {
  assert(scores.rows() == rows());
  const auto n = static_cast<std::int64_t>(rows());
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::int64_t i = 0; i < n; ++i) {
    const auto row = static_cast<std::size_t>(i);
    offer_row(classes_.row(row), scores_.row(row), width(), first_class, scores.row(row), scores.cols());
  }
}

std::span<const std::int32_t> TopClasses::row(std::size_t i) const {
  if (unreached(i)) return no_classes_;
  return classes_.view().row_span(i);
}

std::span<const float> TopClasses::row_scores(std::size_t i) const {
  if (unreached(i)) return no_scores_;
  return scores_.view().row_span(i);
}

bool TopClasses::unreached(std::size_t i) const {
  return any_sign_ ? classes_(i, 0) < 0 : !(scores_(i, 0) > 0);
}

std::uint64_t TopClasses::unreached_rows() const {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < rows(); ++i) count += unreached(i) ? 1 : 0;
  return count;
}

}  // namespace lowshot
