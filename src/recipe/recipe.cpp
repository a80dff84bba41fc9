#include "lowshot/recipe.h"

#include <algorithm>
#include <limits>

#include "lowshot/error.h"

namespace lowshot {
namespace {

constexpr double novel_share = 0.2;  // a where unlabelled rows are smoothed

double odds(Share share) {
  if (share.unlabelled == share.rows) return std::numeric_limits<double>::infinity();
  return static_cast<double>(share.unlabelled) / static_cast<double>(share.rows - share.unlabelled);
}

}  // namespace

const char* name(Recipe recipe) {
  static const char* const names[] = {"paper", "small", "full", "auto"};
  return names[static_cast<int>(recipe)];
}

Recipe recipe_of(const std::string& text) {
  for (const Recipe recipe : {Recipe::paper, Recipe::small, Recipe::full, Recipe::automatic})
    if (text == name(recipe)) return recipe;
  throw Error(ErrorKind::usage, "the recipe is none of paper, small, full, auto", text);
}

Smoothing smoothing_of(const std::string& text) {
  if (text == "auto") return Smoothing::automatic;
  if (text == "on") return Smoothing::on;
  if (text == "off") return Smoothing::off;
  throw Error(ErrorKind::usage, "correct and smooth is none of auto, on, off", text);
}

BasePath base_path(std::span<const std::uint64_t> labels) {
  const auto many = std::count_if(labels.begin(), labels.end(), [](auto n) { return n >= BasePath::enough_labels; });
  return {static_cast<std::uint32_t>(many), static_cast<std::uint32_t>(labels.size())};
}

InDomain in_domain(Share near, Share all, Smoothing smoothing) {
  if (all.unlabelled == 0) return {};
  InDomain result;
  const bool only_unlabelled = near.unlabelled == near.rows || all.unlabelled == all.rows;
  result.odds = only_unlabelled ? std::numeric_limits<double>::infinity() : odds(near) / odds(all);
  result.classifier_share = result.odds < 0.6 ? 0.65 : result.odds < 1.6 ? 0.35 : novel_share;
  result.smooth = near.rows != 0 && result.odds >= 1.6;
  if (smoothing == Smoothing::off) result.smooth = false;
  if (smoothing == Smoothing::on) result = {novel_share, true, result.odds};
  return result;
}

}  // namespace lowshot
