// lowshot diffusion: low-shot experiments with the original's option names.
#include <fmt/format.h>

#include <memory>

#include "common.h"
#include "inputs.h"
#include "knn/table_search.h"
#include "lowshot/error.h"
#include "lowshot/experiment.h"
#include "lowshot/io.h"
#include "lowshot/memory.h"
#include "runs.h"
#include "variant.h"

namespace lowshot::cli {
namespace {

struct Options {
  CommonOptions common;
  ExperimentOptions experiment;
  VariantOptions variant;
  RunOutputs outputs;
  std::string mode = "val", nlabeled = "1", seed = "1", pca, label_idx, prune = "auto", storage = "auto",
              recipe = "paper", smoothing = "auto", predictions;
  std::vector<std::string> background;
};

ExperimentOptions experiment_options(const Options& o) {
  ExperimentOptions e = o.experiment;
  e.class_set = o.mode == "val" ? 1 : 2;
  e.data = data_directory(e.data.string());
  if (!o.label_idx.empty()) e.label_idx = o.label_idx;
  e.background.assign(o.background.begin(), o.background.end());
  e.diffusion.pruning = o.prune == "on" ? Pruning::on : o.prune == "off" ? Pruning::off : Pruning::automatic;
  e.diffusion.storage = o.storage == "half"    ? Storage::half
                        : o.storage == "float" ? Storage::single
                                               : Storage::automatic;
  e.pca = parse_pca(o.pca);
  e.smoothing = smoothing_of(o.smoothing);
  return e;
}

/// What is run one after the other: with auto the paper's diffusion first, then the recipe.
std::vector<ExperimentOptions> stages(const ExperimentOptions& e, Recipe recipe) {
  std::vector<ExperimentOptions> all;
  if (recipe == Recipe::automatic) all.push_back(e);
  use_recipe(all.emplace_back(e), recipe);
  return all;
}

/// `paper`'s iterations, then the recipe's answer.
RunResult joined(RunResult paper, RunResult recipe) {
  const double before = paper.seconds;
  recipe.iterations.back().seconds += before;
  paper.iterations.push_back(recipe.iterations.back());
  recipe.iterations = std::move(paper.iterations);
  recipe.seconds += before;
  return recipe;
}

// The outputs of one run make no sense for several.
void require_single(const Options& o, std::size_t runs) {
  const bool one = !o.outputs.scores.empty() || !o.outputs.label_matrix_pattern.empty() || !o.predictions.empty();
  if (one && runs > 1)
    throw Error(ErrorKind::usage,
                fmt::format("--storeL, --storeLiters and --predictions hold one run and {} are asked for", runs), "",
                "give one --nlabeled and one --seed");
  const std::string& pattern = o.outputs.label_matrix_pattern;
  const std::size_t at = pattern.find("%d");
  if (!pattern.empty() && (at == std::string::npos || pattern.find('%', at + 1) != std::string::npos))
    throw Error(ErrorKind::usage, fmt::format("'{}' must hold %d once, for the iteration", pattern), "--storeLiters",
                "write it like L_%d.npy");
}

Json options_json(const Options& o, const ExperimentOptions& e) {
  Json background = Json::array();
  for (const auto& file : e.background) background.push_back(file.string());
  Json json = {{"data", e.data.string()},
               {"work", e.work.string()},
               {"mode", o.mode},
               {"nlabeled", o.nlabeled},
               {"seed", o.seed},
               {"nbg", e.background_rows},
               {"background", background},
               {"in_domain", e.in_domain},
               {"k", e.knn.k},
               {"knn", name(e.knn.method)},
               {"recall", e.knn.recall},
               {"niter", e.diffusion.iterations},
               {"lslice", o.experiment.diffusion.slice},
               {"recipe", o.recipe},
               {"correct_and_smooth", o.smoothing},
               {"pca", e.pca.kind == PcaChoice::Kind::none ? "none"
                       : o.pca.empty()                     ? "PCAR256.vt"
                                                           : o.pca},
               {"prune", o.prune},
               {"storage", o.storage}};
  json.update(variant_json(e.variant));
  return json;
}

// A recipe has its own graph and iterations: what would be passed over is refused.
void require_free(const CLI::App& command, const Options& o) {
  std::vector<const char*> decided;
  if (o.smoothing != "auto" && o.recipe != "full" && o.recipe != "auto")
    throw Error(ErrorKind::usage, fmt::format("the recipe {} does not smooth", o.recipe), "--correct-and-smooth",
                "leave the option out, or use --recipe full");
  if (o.recipe == "small" || o.recipe == "full") decided = {"--k", "--niter", "--pca"};
  if (o.recipe != "paper")
    decided.insert(decided.end(), {"--weights", "--graph", "--propagation", "--alpha", "--solver", "--class-mass"});
  if (o.recipe == "full") decided.insert(decided.end(), {"--storage", "--prune", "--storeLiters"});
  for (const char* name : decided)
    if (command.count(name) != 0)
      throw Error(ErrorKind::usage, fmt::format("the recipe {} has its own {}", o.recipe, name), name,
                  "leave the option out, or use --recipe paper");
}

PlanText plan_text(Context& context, const std::vector<ExperimentOptions>& all,
                   const std::vector<std::uint32_t>& nlabeled, std::size_t seeds) {
  const std::uint32_t most_labelled = *std::max_element(nlabeled.begin(), nlabeled.end());
  PlanText text;
  std::uint64_t most = 0;
  for (const ExperimentOptions& e : all) {
    const ExperimentPlan p = plan(e, most_labelled);
    text.steps.insert(text.steps.end(), p.steps.begin(), p.steps.end());
    if (p.memory.total() >= most) text.memory = p.memory.items;  // one after the other
    most = std::max(most, p.memory.total());
    const auto times = experiment_seconds(context, e, nlabeled, seeds).items;
    text.time.insert(text.time.end(), times.begin(), times.end());
  }
  return text;
}

void print_choice(Context& context, const RecipeEvidence& e) {
  std::string text =
      fmt::format("recipe {}: {} of {} base classes have {} labels or more ({} are needed for full)", name(e.recipe),
                  e.base.base_classes, e.base.classes, BasePath::enough_labels, BasePath::enough_classes);
  if (e.recipe == Recipe::full)
    text += fmt::format("; unlabelled rows stand at odds of {:.2f} beside novel ones: the classifier's share is {}, {}",
                        e.in_domain.odds, e.in_domain.classifier_share,
                        e.in_domain.smooth ? "unlabelled rows are smoothed" : "none is smoothed");
  context.info(text);
}

void execute(const Options& o) {
  const std::vector<std::uint32_t> nlabeled = parse_list(o.nlabeled, "--nlabeled"),
                                   seeds = parse_list(o.seed, "--seed");
  const std::uint32_t most_labelled = *std::max_element(nlabeled.begin(), nlabeled.end());
  const bool several = nlabeled.size() * seeds.size() > 1;
  require_single(o, nlabeled.size() * seeds.size());
  Context context = make_context(o.common);
  const std::uint64_t limit = context.memory_limit != 0 ? context.memory_limit : available_bytes();
  std::vector<ExperimentOptions> all = stages(experiment_options(o), recipe_of(o.recipe));
  for (ExperimentOptions& e : all) {
    const std::uint32_t asked = e.diffusion.slice;
    e = with_fitting_slice(e, most_labelled, limit);
    if (asked == 0 && e.diffusion.slice != 64)
      context.info(fmt::format("{} classes are diffused at a time, to fit memory", e.diffusion.slice));
  }
  if (o.common.dry_run) return print_plan(plan_text(context, all, nlabeled, seeds.size()), o.common);

  for (const std::string& file : {o.outputs.scores.string(), o.outputs.label_matrix_pattern, o.predictions})
    if (!file.empty()) require_writable(file);
  std::vector<RunResult> runs;
  ClassSet classes;
  for (std::size_t stage = 0; stage < all.size(); ++stage) {
    const StaticPart part = prepare(context, all[stage], most_labelled);
    const bool after_paper = stage != 0;
    std::size_t number = 0;
    for (const std::uint32_t labels : nlabeled)
      for (const std::uint32_t seed : seeds) {
        const std::string title = several ? fmt::format("nlabeled {:>2}  seed {}  ", labels, seed) : "";
        const auto print = [&](const IterationResult& i) {
          if (!after_paper || !i.recipe.empty()) print_iteration(i, title);
        };
        RunResult result = run(context, part, all[stage], labels, seed, after_paper ? RunOutputs{} : o.outputs, print);
        if (result.recipe) print_choice(context, *result.recipe);
        if (result.propagation && all[stage].variant.solved()) context.info(solution_text(*result.propagation));
        if (result.unreached_test_rows != 0)
          context.info(fmt::format("{} of {} test rows were reached by no label and count as wrong",
                                   result.unreached_test_rows, result.test_rows));
        if (after_paper)
          runs[number] = joined(std::move(runs[number]), std::move(result));
        else
          runs.push_back(std::move(result));
        ++number;
      }
    classes = part.classes;
  }

  if (!o.predictions.empty()) write_predictions(o.predictions, classes, *runs.back().top);
  Json result = runs_json(runs);
  result["options"] = options_json(o, all.front());
  add_run_facts(result, context);
  write_json(o.common, result);
}

}  // namespace

void add_diffusion(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("diffusion", "Low-shot experiments: label diffusion and its accuracy");
  command->footer(
      "Example: one label a class, 60,000 background images, five seeds:\n"
      "  lowshot diffusion --data data/cifar-lowshot --work build/demo --nbg 60000 --nlabeled 1 --seed 1-5 --niter 3");
  command->add_option("--data", o->experiment.data, "Data directory (docs/files.md); default: the variable DDIR");
  command->add_option("--work", o->experiment.work, "Directory for everything derived; default: the data directory");
  command->add_option("--mode", o->mode, "Classes: val (set 1) or test (set 2)")
      ->check(CLI::IsMember({"val", "test"}))
      ->capture_default_str();
  command->add_option("--nlabeled", o->nlabeled, "Labelled images a novel class; 1,2,5 or 1-5 for several runs")
      ->capture_default_str();
  command->add_option("--seed", o->seed, "Seed of the split; 1-5 for several runs")->capture_default_str();
  command->add_option("--nbg", o->experiment.background_rows, "Background images: the first N")->capture_default_str();
  command->add_option("--background", o->background, "Background descriptor files, instead of the data directory's")
      ->expected(1, -1);
  command->add_flag("--in-domain", o->experiment.in_domain, "The unlabelled novel training images are background, too");
  command->add_option("--k", o->experiment.knn.k, "Neighbours in the graph")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  add_search_options(*command, o->experiment.knn);
  command->add_option("--niter", o->experiment.diffusion.iterations, "Diffusion iterations")
      ->check(CLI::Range(0, 65000))
      ->capture_default_str();
  command->add_option("--lslice", o->experiment.diffusion.slice, "Classes diffused at a time (memory only); 0 = 64")
      ->capture_default_str();
  command->add_option("--pca", o->pca, "none, a .vt file, or a dimension; default: the data directory's PCAR256.vt");
  command->add_option("--label-idx", o->label_idx, "Class lists, instead of the data directory's label_idx.json");
  command->add_option("--prune", o->prune, "Skip rows that cannot matter: auto, on, off (same result)")
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->capture_default_str();
  command
      ->add_option("--storage", o->storage,
                   "Scores between iterations: half (rounded to 11 bits), float, or auto: half for large graphs")
      ->check(CLI::IsMember({"auto", "half", "float"}))
      ->capture_default_str();
  command
      ->add_option(
          "--recipe", o->recipe,
          "paper: diffusion alone; small: with a discriminant analysis of the base classes; full: weighted "
          "edges and three classifiers, right most often; auto: the paper's diffusion, and full where base classes "
          "have labels enough, else small. The recipe's answer is the last line and entry of `iterations`")
      ->check(CLI::IsMember({"paper", "small", "full", "auto"}))
      ->capture_default_str();
  command
      ->add_option("--correct-and-smooth", o->smoothing,
                   "Expert: whether full lets unlabelled rows take part: auto (where they are in-domain), on, off")
      ->check(CLI::IsMember({"auto", "on", "off"}))
      ->capture_default_str();
  command->add_option("--storeL", o->outputs.scores, "Write the scores of all iterations: npy [T+1, test rows, C]");
  command->add_option("--storeLiters", o->outputs.label_matrix_pattern,
                      "Write L of every iteration: a name with %d, npy [n, C]");
  command->add_option("--predictions", o->predictions, "Write the class and the 5 best of every test row as CSV");
  add_variant_options(*command, o->variant, false,
                      "a row and a column for each image: the --nbg of the background, then those of train.hdf5, then "
                      "those of val.hdf5 (docs/files.md)");
  add_common(*command, o->common);
  command->callback([o, command] {
    require_free(*command, *o);
    o->experiment.variant = variant_of(*command, o->variant);
    execute(*o);
  });
}

}  // namespace lowshot::cli
