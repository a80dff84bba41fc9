// The low-shot experiment with softmax regression: raw descriptors, read once; per (nlabeled, seed) a regression over
// the rows that the split labels, gathered by number.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "experiment/score_info.h"
#include "lowshot/error.h"
#include "lowshot/io.h"
#include "lowshot/logreg_experiment.h"
#include "lowshot/memory.h"

namespace lowshot {
namespace {

struct Inputs {
  ClassSet classes;
  std::unique_ptr<RowSource> train, val;
  std::vector<std::uint32_t> train_rows;  // of the class set, rising
};

Inputs open_inputs(const LogregExperimentOptions& options, std::uint32_t most_labelled) {
  const DataDirectory directory(options.data, {});
  Inputs in;
  in.train = open_hdf5_rows(directory.train());
  in.val = open_hdf5_rows(directory.val());
  if (in.train->dim() != in.val->dim())
    throw Error(ErrorKind::input, fmt::format("train has {} dimensions and val {}", in.train->dim(), in.val->dim()),
                directory.val().string(), "use descriptors of the same network");
  in.classes = make_class_set(read_class_sets(options.label_idx.value_or(directory.label_idx())), options.class_set,
                              read_hdf5_labels(directory.train()), read_hdf5_labels(directory.val()));
  make_split(in.classes, most_labelled, 0);  // refuses more labels than a class has images, before any work
  for (const auto& rows : in.classes.train_rows) in.train_rows.insert(in.train_rows.end(), rows.begin(), rows.end());
  std::sort(in.train_rows.begin(), in.train_rows.end());
  if (in.classes.test_rows.empty())
    throw Error(ErrorKind::input, "no row is of a class of the class set", in.val->name());
  return in;
}

RowsOfClasses labelled_rows(const LogregPart& part, std::uint32_t nlabeled, std::uint32_t seed) {
  const Split split = make_split(part.classes, nlabeled, seed);
  RowsOfClasses labelled(part.classes.classes());
  const auto add = [&](const std::vector<std::uint32_t>& rows, const std::vector<std::int32_t>& classes) {
    for (std::size_t i = 0; i < rows.size(); ++i)
      labelled[static_cast<std::size_t>(classes[i])].push_back(part.row_of_train[rows[i]]);
  };
  add(split.base_rows, split.base_classes);
  add(split.novel_labelled_rows, split.novel_labelled_classes);
  return labelled;
}

// NAME.npy and NAME.npy.model.json: which class a row of weights is of.
void write_model(const fs::path& path, const SoftmaxModel& model, const ClassSet& set) {
  const nlohmann::ordered_json json = {
      {"format", 1},        {"kind", "softmax regression"}, {"classes", set.original_class},
      {"names", set.names}, {"dim", model.dim()},           {"program", "lowshot " LOWSHOT_VERSION}};
  write_npy(path, model.weights);
  write_file(path.string() + ".model.json",
             json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
}

}  // namespace

LogregPart prepare_logreg(Context& context, const LogregExperimentOptions& options, std::uint32_t most_labelled) {
  plan_logreg(options, most_labelled)
      .memory.require(context.memory_limit, "use a smaller --batchsize, or raise --memory");
  LogregPart part;
  Inputs in = [&] {
    Phase phase(context, "labels");
    return open_inputs(options, most_labelled);
  }();
  Phase phase(context, "descriptors");
  part.row_of_train.resize(in.train->rows());
  for (std::size_t i = 0; i < in.train_rows.size(); ++i)
    part.row_of_train[in.train_rows[i]] = static_cast<std::uint32_t>(i);
  part.train = gather_rows(context, *in.train, in.train_rows);
  part.test = gather_rows(context, *in.val, in.classes.test_rows);
  part.classes = std::move(in.classes);
  return part;
}

ExperimentPlan plan_logreg(const LogregExperimentOptions& options, std::uint32_t most_labelled) {
  const Inputs in = open_inputs(options, most_labelled);
  const std::uint64_t classes = in.classes.classes(), tests = in.classes.test_rows.size(), dim = in.train->dim();
  ExperimentPlan plan;
  plan.test_rows = tests;
  plan.dim = in.train->dim();
  plan.classes = static_cast<std::uint32_t>(classes);
  plan.memory.add("training rows", raw_bytes(*in.train, in.train_rows.size()));
  plan.memory.add("test rows", raw_bytes(*in.val, tests));
  plan.memory.add("weights and minibatches", train_softmax_memory(classes, dim, options.logreg));
  plan.memory.add("scores", (tests + 1) * classes * sizeof(float) + classes * (dim + 1) * sizeof(float));
  plan.memory.add("program and buffers", (std::uint64_t{64} << 20) + gather_rows_block * dim * sizeof(float));
  plan.steps.push_back(fmt::format("{} training rows of {} classes and {} test rows are read, {} dimensions, {}",
                                   in.train_rows.size(), classes, tests, dim,
                                   in.train->is_half() ? "float16" : "float32"));
  plan.steps.push_back(fmt::format("a regression is trained with {} minibatches of {} rows", options.logreg.iterations,
                                   options.logreg.batch));
  plan.steps.push_back(options.score_every == 0
                           ? "the test rows are scored at the end"
                           : fmt::format("the test rows are scored every {} iterations", options.score_every));
  return plan;
}

RunResult run_logreg(Context& context, const LogregPart& part, const LogregExperimentOptions& options,
                     std::uint32_t nlabeled, std::uint32_t seed, const LogregOutputs& outputs,
                     const std::function<void(const IterationResult&)>& on_iteration) {
  const auto start = std::chrono::steady_clock::now();
  const auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(); };
  if (nlabeled == 0)
    throw Error(ErrorKind::usage, "a regression needs labels of every class", "--nlabeled", "give 1 or more");
  const RowsOfClasses labelled = labelled_rows(part, nlabeled, seed);
  const std::size_t tests = part.classes.test_rows.size(), classes = part.classes.classes();
  LogregOptions logreg = options.logreg;
  logreg.seed = seed;

  RunResult result;
  result.nlabeled = nlabeled;
  result.seed = seed;
  result.classes = static_cast<std::uint32_t>(classes);
  result.test_rows = tests;
  SoftmaxModel model = initial_model(result.classes, static_cast<std::uint32_t>(part.train.view().cols()), seed);
  Matrix<float> scores(tests, classes);
  const auto score = [&](const TrainingState& state) {
    log_softmax(context, model, part.test.view(), scores);
    TopClasses top(tests, 5, TopClasses::Scores::any_sign);
    top.offer(0, scores, context.thread_count());
    IterationResult iteration;
    iteration.iteration = state.iteration;
    iteration.accuracy = accuracy(top, part.classes.test_labels, part.classes.is_novel);
    iteration.seconds = elapsed();
    iteration.memory = resident_bytes();
    result.iterations.push_back(iteration);
    result.unreached_test_rows = top.unreached_rows();
    result.top = std::move(top);
    context.detail(fmt::format("iteration {}: loss {:.4f}", state.iteration, state.loss));
    if (on_iteration) on_iteration(iteration);
  };
  {
    Phase phase(context, "regression");
    const std::uint32_t every = options.score_every != 0 ? options.score_every : logreg.iterations;
    train_softmax(context, part.train.view(), labelled, logreg, model, every, score);
  }
  if (!outputs.scores.empty()) {
    NpyTileWriter file(outputs.scores, {1, tests, classes});
    file.write(0, 0, scores);
    file.commit();
    ScoreInfo info = score_info(part.classes, ScoreKind::log_softmax, nlabeled, seed);
    info.iterations = {logreg.iterations};
    write_score_info(outputs.scores, info);
  }
  if (!outputs.model.empty()) write_model(outputs.model, model, part.classes);
  result.seconds = elapsed();
  return result;
}

}  // namespace lowshot
