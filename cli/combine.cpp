// lowshot combine: a weighted sum of two runs' scores, the weight chosen on the validation classes.
#include <fmt/format.h>

#include <memory>
#include <optional>

#include "common.h"
#include "inputs.h"
#include "lowshot/combine.h"
#include "lowshot/error.h"
#include "lowshot/io.h"
#include "lowshot/memory.h"

namespace lowshot::cli {
namespace {

constexpr const char* metric_names[] = {"top5_all", "top5_novel", "top1_all", "top1_novel"};
constexpr const char* kind_names[] = {"diffusion", "log_softmax", "probabilities"};

struct Options {
  CommonOptions common;
  std::vector<std::string> validation, test;  // first, second, first, second, ..
  std::string metric = "top5_all", out;
  std::optional<std::uint32_t> iteration;
  std::optional<double> weight;
};

struct Choice {
  double weight = 0;
  std::vector<double> values;  // one a weight of 0, 0.05 ..; empty where the weight was given
};

AccuracyMetric parse_metric(const std::string& text) {
  for (const AccuracyMetric metric :
       {AccuracyMetric::top5_all, AccuracyMetric::top5_novel, AccuracyMetric::top1_all, AccuracyMetric::top1_novel})
    if (text == metric_names[static_cast<int>(metric)]) return metric;
  throw Error(ErrorKind::usage, fmt::format("there is no metric '{}'", text), "--metric");
}

void require_pairs(const std::vector<std::string>& files, const std::string& option) {
  if (files.size() % 2 != 0)
    throw Error(ErrorKind::usage, fmt::format("{} score files are no pairs", files.size()), option,
                "name two a run: those of the first classifier and of the second");
}

// The weight is the second classifier's, so what is first and second must not change between pairs.
void require_kinds(const std::vector<std::string>& files, const ScoreInfo (&kinds)[2]) {
  for (std::size_t i = 0; i < files.size(); ++i) {
    const ScoreKind kind = read_score_info(files[i]).kind;
    if (kind != kinds[i % 2].kind)
      throw Error(ErrorKind::input,
                  fmt::format("the {} file of a pair is of the kind {} in one and {} in another",
                              i % 2 == 0 ? "first" : "second", kind_names[static_cast<int>(kinds[i % 2].kind)],
                              kind_names[static_cast<int>(kind)]),
                  files[i], "name the two classifiers in the same order each time");
  }
}

Choice choose(Context& context, const Options& o) {
  if (o.weight) return {*o.weight, {}};
  const AccuracyMetric metric = parse_metric(o.metric);
  Choice choice;
  choice.values.resize(weight_steps + 1);
  const double share = 2.0 / static_cast<double>(o.validation.size());
  for (std::size_t i = 0; i < o.validation.size(); i += 2) {
    Phase phase(context, "validation");
    const ScorePair pair = read_score_pair(context, o.validation[i], o.validation[i + 1], o.iteration);
    const std::vector<Accuracy> accuracies = pair.by_weight(context);
    for (std::size_t w = 0; w < accuracies.size(); ++w) choice.values[w] += share * value(accuracies[w], metric);
    context.report("validation", i / 2 + 1, o.validation.size() / 2, "pairs");
  }
  choice.weight = best_weight(choice.values);
  return choice;
}

Json accuracy_json(const Accuracy& a) {
  return {
      {"top5_all", a.top5_all}, {"top5_novel", a.top5_novel}, {"top1_all", a.top1_all}, {"top1_novel", a.top1_novel}};
}

// Means and deviations over the test pairs.
struct Column {
  std::string name;
  std::vector<Accuracy> runs;

  MeanStd mean(AccuracyMetric metric) const {
    std::vector<double> values;
    for (const Accuracy& a : runs) values.push_back(value(a, metric));
    return mean_std(values);
  }
  Json json() const {
    Json result;
    for (const AccuracyMetric metric :
         {AccuracyMetric::top5_all, AccuracyMetric::top5_novel, AccuracyMetric::top1_all, AccuracyMetric::top1_novel}) {
      const MeanStd m = mean(metric);
      result[metric_names[static_cast<int>(metric)]] = {{"mean", m.mean}, {"std", m.std}};
    }
    return result;
  }
  void print() const {
    const MeanStd all = mean(AccuracyMetric::top5_all), novel = mean(AccuracyMetric::top5_novel);
    fmt::print("{:<9} top-5 accuracy: {:.3f} ({:.3f} on novel)", name, all.mean, novel.mean);
    if (runs.size() > 1) fmt::print("  +/- {:.4f} ({:.4f}) over {} pairs", all.std, novel.std, runs.size());
    fmt::print("\n");
  }
};

void write_combined(const std::string& path, const ScorePair& pair, double weight) {
  Matrix<float> combined(pair.log_scores[0].rows(), pair.log_scores[0].cols());
  combine_scores(pair.log_scores[0], pair.log_scores[1], weight, combined);
  normalise_log_scores(combined);
  NpyTileWriter file(path, {1, combined.rows(), combined.cols()});
  file.write(0, 0, combined);
  file.commit();
  ScoreInfo info = pair.info;
  info.kind = ScoreKind::log_softmax;
  info.iterations = {0};
  info.options = {{"combined_weight", fmt::format("{}", weight)}};
  write_score_info(path, info);
}

MemoryPlan memory_of(const Options& o) {
  std::uint64_t largest = 0;
  for (const auto* files : {&o.validation, &o.test})
    for (const std::string& file : *files) {
      const ScoreInfo info = read_score_info(file);
      largest = std::max(largest, score_pair_memory(info.rows.size(), info.classes.size()));
    }
  MemoryPlan memory;
  memory.add("the largest pair and its sum", largest);
  memory.add("program and buffers", std::uint64_t{64} << 20);
  return memory;
}

void print_plan(const Options& o, const MemoryPlan& memory) {
  PlanText text;
  text.steps.push_back(
      o.weight ? fmt::format("the weight is {}", *o.weight)
               : fmt::format("a weight is chosen by {} over {} pair(s) of --val", o.metric, o.validation.size() / 2));
  text.steps.push_back(fmt::format("{} pair(s) are combined with it", o.test.size() / 2));
  text.memory = memory.items;
  print_plan(text, o.common);
}

void execute(const Options& o) {
  require_pairs(o.validation, "--val");
  require_pairs(o.test, "--test");
  if (o.validation.empty() && !o.weight)
    throw Error(ErrorKind::usage, "there is nothing to choose the weight on", "--val",
                "name score files of the validation classes, or give --weight");
  if (!o.out.empty() && o.test.size() != 2)
    throw Error(ErrorKind::usage, fmt::format("-o holds one pair and {} are combined", o.test.size() / 2), "-o",
                "name one pair with --test");
  Context context = make_context(o.common);
  if (!o.out.empty()) require_writable(o.out);
  const ScoreInfo first_pair[2] = {read_score_info(o.test[0]), read_score_info(o.test[1])};
  require_kinds(o.validation, first_pair);
  require_kinds(o.test, first_pair);
  const MemoryPlan memory = memory_of(o);
  if (o.common.dry_run) return print_plan(o, memory);
  memory.require(context.memory_limit, "raise --memory");
  if (!o.validation.empty() && read_score_info(o.validation[0]).classes == first_pair[0].classes)
    context.info("the weight is chosen on the classes that it is tested on: the accuracy is too good");

  const Choice choice = choose(context, o);
  Column columns[3] = {{"first", {}}, {"second", {}}, {"combined", {}}};
  Json runs = Json::array();
  for (std::size_t i = 0; i < o.test.size(); i += 2) {
    Phase phase(context, "test");
    const ScorePair pair = read_score_pair(context, o.test[i], o.test[i + 1], o.iteration);
    const Accuracy accuracies[3] = {pair.alone[0], pair.alone[1], pair.at(context, choice.weight)};
    Json run;
    for (std::size_t j = 0; j < 3; ++j) {
      columns[j].runs.push_back(accuracies[j]);
      run[columns[j].name] = accuracy_json(accuracies[j]);
      if (j < 2) run[columns[j].name].update({{"file", o.test[i + j]}, {"iteration", pair.iterations[j]}});
    }
    runs.push_back(run);
    if (!o.out.empty()) write_combined(o.out, pair, choice.weight);
  }

  fmt::print("weight {:.2f} of the second, {:.2f} of the first\n", choice.weight, 1 - choice.weight);
  Json result = {{"weight", choice.weight}};
  if (!choice.values.empty()) {
    Json values = Json::array();
    for (std::size_t w = 0; w < choice.values.size(); ++w)
      values.push_back({{"weight", static_cast<double>(w) / weight_steps}, {o.metric, choice.values[w]}});
    result["validation"] = values;
  }
  for (const Column& column : columns) {
    column.print();
    result[column.name] = column.json();
  }
  result["runs"] = runs;
  result["options"] = {{"val", o.validation}, {"test", o.test}, {"metric", o.metric}};
  if (o.iteration) result["options"]["iteration"] = *o.iteration;
  add_run_facts(result, context);
  write_json(o.common, result);
}

}  // namespace

void add_combine(CLI::App& app) {
  auto o = std::make_shared<Options>();
  CLI::App* command = app.add_subcommand("combine", "Two classifiers' scores combined, weighted on validation classes");
  command->footer(
      "Scores are what `diffusion --storeL` and `logreg --storeL` write (docs/files.md: how to bring your own).\n"
      "Example, after both have run with --mode val and with --mode test:\n"
      "  lowshot combine --val diff_val.npy reg_val.npy --test diff_test.npy reg_test.npy --iteration 3");
  command->add_option("--val", o->validation, "Pairs of score files of the validation classes: FIRST SECOND ..")
      ->expected(2, -1);
  command->add_option("--test", o->test, "Pairs of score files to combine, in the same order; one a seed")
      ->expected(2, -1)
      ->required();
  command->add_option("--iteration", o->iteration, "The layer of files with several; default: the last");
  command->add_option("--metric", o->metric, "What the weight is chosen by, as a mean over the pairs of --val")
      ->check(CLI::IsMember({"top5_all", "top5_novel", "top1_all", "top1_novel"}))
      ->capture_default_str();
  command->add_option("--weight", o->weight, "The second's weight, 0 to 1, instead of a choice")
      ->check(CLI::Range(0.0, 1.0))
      ->excludes("--val");
  command->add_option("-o,--output", o->out, "Write the combined log-softmax scores: npy [1, rows, C]");
  add_common(*command, o->common);
  command->callback([o] { execute(*o); });
}

}  // namespace lowshot::cli
