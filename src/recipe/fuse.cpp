#include <algorithm>
#include <cassert>
#include <cmath>

#include "lowshot/error.h"
#include "lowshot/recipe.h"

namespace lowshot {
namespace {

constexpr double least_share = 1e-4;  // of a class that no label reached: one row in ten thousand

double odds(Share share) {
  return static_cast<double>(share.unlabelled) / static_cast<double>(share.rows - share.unlabelled);
}

}  // namespace

const char* name(Recipe recipe) {
  static const char* const names[] = {"paper", "small", "full"};
  return names[static_cast<int>(recipe)];
}

Recipe recipe_of(const std::string& text) {
  for (const Recipe recipe : {Recipe::paper, Recipe::small, Recipe::full})
    if (text == name(recipe)) return recipe;
  throw Error(ErrorKind::usage, "the recipe is none of paper, small, full", text);
}

InDomain in_domain(Share near, Share all) {
  if (all.unlabelled == 0) return {};
  if (near.unlabelled == near.rows || all.unlabelled == all.rows)
    return {.classifier_share = 0.2, .smooth = near.rows != 0};
  const double o = odds(near) / odds(all);
  if (o < 0.6) return {.classifier_share = 0.65};
  if (o < 1.6) return {.classifier_share = 0.35};
  return {.classifier_share = 0.2, .smooth = true};
}

double novel_offset(std::uint64_t labels) {
  return labels == 0 ? 0 : std::max(0.0, 1.25 - 0.35 * std::log(static_cast<double>(labels)));
}

void fuse(Context& context, MatrixView<const float> votes, std::span<const float> offset, double a,
          MatrixView<float> scores) {
  assert(votes.rows() == scores.rows() && votes.cols() == scores.cols() && offset.size() == scores.cols());
  const double silent = -std::log(static_cast<double>(std::max<std::size_t>(scores.cols(), 1)));
  const int threads = context.thread_count();
#pragma omp parallel for num_threads(threads) schedule(static)
  for (std::size_t i = 0; i < scores.rows(); ++i) {
    double sum = 0;
    for (const float v : votes.row_span(i)) sum += v;
    for (std::size_t c = 0; c < scores.cols(); ++c) {
      const double d = sum > 0 ? std::log(votes(i, c) / sum + least_share) : silent;
      scores(i, c) = static_cast<float>((1 - a) * d + a * scores(i, c) + offset[c]);
    }
  }
}

void softmax_rows(Context& context, MatrixView<float> scores) {
#pragma omp parallel for num_threads(context.thread_count()) schedule(static)
  for (std::size_t i = 0; i < scores.rows(); ++i) {
    const auto row = scores.row_span(i);
    const float most = *std::max_element(row.begin(), row.end());
    double sum = 0;
    for (float& value : row) sum += value = std::exp(value - most);
    for (float& value : row) value = static_cast<float>(value / sum);
  }
}

}  // namespace lowshot
