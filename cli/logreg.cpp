// lowshot logreg: low-shot experiments with softmax regression, with the original's option names.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "common.h"
#include "inputs.h"
#include "lowshot/error.h"
#include "lowshot/logreg_experiment.h"
#include "lowshot/memory.h"
#include "runs.h"

namespace lowshot::cli {
namespace {

// The original scores so often on the validation classes, to choose the number of iterations.
constexpr std::uint32_t validation_every = 500;

struct Options {
  CommonOptions common;
  LogregExperimentOptions experiment;
  LogregOutputs outputs;
  std::string mode = "val", nlabeled = "1", seed = "1", label_idx, predictions;
};

LogregExperimentOptions experiment_options(const Options& o) {
  LogregExperimentOptions e = o.experiment;
  e.class_set = o.mode == "val" ? 1 : 2;
  e.score_every = o.mode == "val" ? validation_every : 0;
  e.data = data_directory(e.data.string());
  if (!o.label_idx.empty()) e.label_idx = o.label_idx;
  return e;
}

Json options_json(const Options& o, const LogregExperimentOptions& e) {
  return {{"data", e.data.string()},        {"mode", o.mode},
          {"nlabeled", o.nlabeled},         {"seed", o.seed},
          {"maxiter", e.logreg.iterations}, {"lr", e.logreg.learning_rate},
          {"wd", e.logreg.weight_decay},    {"batchsize", e.logreg.batch},
          {"mom", e.logreg.momentum}};
}

void execute(const Options& o) {
  const LogregExperimentOptions e = experiment_options(o);
  const std::vector<std::uint32_t> nlabeled = parse_list(o.nlabeled, "--nlabeled"),
                                   seeds = parse_list(o.seed, "--seed");
  const std::uint32_t most_labelled = *std::max_element(nlabeled.begin(), nlabeled.end());
  const bool several = nlabeled.size() * seeds.size() > 1;
  if (several && (!o.outputs.scores.empty() || !o.outputs.model.empty() || !o.predictions.empty()))
    throw Error(ErrorKind::usage,
                fmt::format("--storeL, --storemodel and --predictions hold one run and {} are asked for",
                            nlabeled.size() * seeds.size()),
                "", "give one --nlabeled and one --seed");
  if (*std::min_element(nlabeled.begin(), nlabeled.end()) == 0)
    throw Error(ErrorKind::usage, "a regression needs labels of every class", "--nlabeled", "give 1 or more");
  Context context = make_context(o.common);
  if (o.common.dry_run) {
    const ExperimentPlan p = plan_logreg(e, most_labelled);
    PlanText text{p.steps, {}};
    text.memory = p.memory.items;
    text.time = logreg_seconds(context, e, nlabeled, seeds.size()).items;
    return print_plan(text, o.common);
  }

  for (const std::string& file : {o.outputs.scores.string(), o.outputs.model.string(), o.predictions})
    if (!file.empty()) require_writable(file);
  const LogregPart part = prepare_logreg(context, e, most_labelled);
  std::vector<RunResult> runs;
  for (const std::uint32_t labels : nlabeled)
    for (const std::uint32_t seed : seeds) {
      const std::string title = several ? fmt::format("nlabeled {:>2}  seed {}  ", labels, seed) : "";
      runs.push_back(run_logreg(context, part, e, labels, seed, o.outputs,
                                [&](const IterationResult& i) { print_iteration(i, title); }));
    }

  if (!o.predictions.empty()) write_predictions(o.predictions, part.classes, *runs.back().top);
  Json result = runs_json(runs);
  result["options"] = options_json(o, e);
  add_run_facts(result, context);
  write_json(o.common, result);
}

}  // namespace

void add_logreg(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("logreg", "Low-shot experiments: softmax regression and its accuracy");
  command->footer(
      "Example: five labels a class, scored every 500 iterations:\n"
      "  lowshot logreg --data data/cifar-lowshot --nlabeled 5 --lr 0.01 --wd 0.001 --maxiter 2000");
  LogregOptions& logreg = o->experiment.logreg;
  command->add_option("--data", o->experiment.data, "Data directory (docs/files.md); default: the variable DDIR");
  command
      ->add_option("--mode", o->mode, "Classes: val (set 1; scored every 500 iterations) or test (set 2; at the end)")
      ->check(CLI::IsMember({"val", "test"}))
      ->capture_default_str();
  command->add_option("--nlabeled", o->nlabeled, "Labelled images a novel class; 1,2,5 or 1-5 for several runs")
      ->capture_default_str();
  command->add_option("--seed", o->seed, "Seed of split, first weights and draws; 1-5 for several runs")
      ->capture_default_str();
  command->add_option("--maxiter", logreg.iterations, "Minibatches to train with")
      ->check(CLI::Range(1u, 1000000000u))
      ->capture_default_str();
  command->add_option("--lr", logreg.learning_rate, "Learning rate")->capture_default_str();
  command->add_option("--wd", logreg.weight_decay, "Weight decay, of weights and bias")->capture_default_str();
  command->add_option("--batchsize", logreg.batch, "Rows a minibatch")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  command->add_option("--mom", logreg.momentum, "Momentum")->capture_default_str();
  command->add_option("--label-idx", o->label_idx, "Class lists, instead of the data directory's label_idx.json");
  command->add_option("--storemodel", o->outputs.model, "Write the weights: npy [C, D+1], the bias last");
  command->add_option("--storeL", o->outputs.scores, "Write the last log-softmax scores: npy [1, test rows, C]");
  command->add_option("--predictions", o->predictions, "Write the class and the 5 best of every test row as CSV");
  add_common(*command, o->common);
  command->callback([o] { execute(*o); });
}

}  // namespace lowshot::cli
