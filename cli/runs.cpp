#include "runs.h"

#include <fmt/format.h>

#include "lowshot/io.h"
#include "lowshot/memory.h"
#include "variant.h"

namespace lowshot::cli {
namespace {

Json recipe_json(const RecipeEvidence& e) {
  Json json = {{"name", name(e.recipe)},
               {"base_classes", e.base.classes},
               {"base_classes_of_50_labels", e.base.base_classes},
               {"classifier_share", e.in_domain.classifier_share}};
  if (e.recipe == Recipe::full) {
    json["in_domain_odds"] = e.in_domain.odds;
    json["correct_and_smooth"] = e.in_domain.smooth;
  }
  return json;
}

Json run_json(const RunResult& r) {
  Json iterations = Json::array();
  for (const IterationResult& i : r.iterations) iterations.push_back(iteration_json(i));
  Json json = {{"nlabeled", r.nlabeled}, {"seed", r.seed}, {"iterations", iterations}};
  if (r.nodes != 0) {  // a regression has no graph
    json["nodes"] = r.nodes;
    json["edges"] = r.edges;
  }
  if (r.recipe) json["recipe"] = recipe_json(*r.recipe);
  if (r.propagation) json["propagation"] = propagation_json(*r.propagation, r.iterations.back().limit);
  json["classes"] = r.classes;
  json["test_rows"] = r.test_rows;
  json["unreached_test_rows"] = r.unreached_test_rows;
  json["run_seconds"] = r.seconds;
  return json;
}

}  // namespace

Json iteration_json(const IterationResult& i) {
  Json json = {
      {"iteration", i.iteration},        {"top5_all", i.accuracy.top5_all},     {"top5_novel", i.accuracy.top5_novel},
      {"top1_all", i.accuracy.top1_all}, {"top1_novel", i.accuracy.top1_novel}, {"seconds", i.seconds},
      {"memory_bytes", i.memory}};
  if (!i.recipe.empty()) json["recipe"] = i.recipe;
  if (i.limit) json["limit"] = true;
  return json;
}

Json runs_json(const std::vector<RunResult>& runs) {
  if (runs.size() == 1) return run_json(runs.front());
  Json result;
  result["runs"] = Json::array();
  for (const RunResult& r : runs) result["runs"].push_back(run_json(r));
  return result;
}

void write_predictions(const std::string& path, const ClassSet& set, const TopClasses& top) {
  const auto original = [&](std::int32_t c) { return c < 0 ? -1 : set.original_class[static_cast<std::size_t>(c)]; };
  std::string text = "row,class,predicted";
  for (std::uint32_t j = 1; j <= top.width(); ++j) text += fmt::format(",top{}", j);
  text += "\n";
  for (std::size_t i = 0; i < top.rows(); ++i) {
    text += fmt::format("{},{},{}", set.test_rows[i], original(set.test_labels[i]), original(top.row(i)[0]));
    for (const std::int32_t c : top.row(i)) text += fmt::format(",{}", original(c));
    text += "\n";
  }
  write_file(path, text);
}

void print_iteration(const IterationResult& i, const std::string& run) {
  const std::string what = !i.recipe.empty() ? "recipe " + i.recipe
                           : i.limit         ? "solution"
                                             : fmt::format("iteration {:>2}", i.iteration);
  fmt::print("{}{}  {:7.3f} s  {:>10}  top-5 accuracy: {:.3f} ({:.3f} on novel)\n", run, what, i.seconds,
             format_bytes(i.memory), i.accuracy.top5_all, i.accuracy.top5_novel);
  std::fflush(stdout);
}

}  // namespace lowshot::cli
